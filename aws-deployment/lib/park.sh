# An environment that costs less and does nothing: no instance, the database stopped.
# shellcheck shell=bash

# Longest wait until the groups are empty, minutes: a drain, and the hook's own end after it.
EMPTY_WAIT=45
# Longest wait for the database to stop or start, minutes.
DATABASE_WAIT=40
# Longest wait until the alarms of an environment that was parked are quiet, minutes.
QUIET_WAIT=20
# Whether this run has started a parked environment.
UNPARKED=

command_park() {
    local groups
    groups=$(groups_json) || fail "the groups cannot be read"
    if [ "$(jq '.AutoScalingGroups | length' <<<"$groups")" = 0 ]; then
        say "There is no group of $ENVIRONMENT."
    else
        jq -r '.AutoScalingGroups[] | "\(.AutoScalingGroupName): \(.Instances | length) instances, \([.Instances[]? | select(.ProtectedFromScaleIn == true)] | length) busy"' <<<"$groups"
        confirm "Send them all away? Busy workers finish what they can and hand back the rest."
        switch_alarms disable
        empty_groups "$groups" parked
    fi
    stop_database
}

# Alarms of a parked environment would ring all the time.
switch_alarms() {
    local names
    # shellcheck disable=SC2046 # one word an alarm
    names=$(call cloudwatch describe-alarms --alarm-names $(alarm_names) |
        jq -r '[.MetricAlarms[]?, .CompositeAlarms[]?][].AlarmName')
    [ -n "$names" ] || return 0
    # shellcheck disable=SC2086 # one word an alarm: their names have no spaces
    call cloudwatch "$1-alarm-actions" --alarm-names $names || fail "the alarms cannot be switched"
}

# Sizes to zero, and every instance away; with `parked`, the sizes are kept as a tag.
empty_groups() {
    local groups=$1 keep=${2:-} name sizes
    while read -r name sizes; do
        if [ -n "$keep" ] && [ "$sizes" != 0/0/0 ]; then
            call autoscaling create-or-update-tags --tags \
                "ResourceId=$name,ResourceType=auto-scaling-group,Key=parked,Value=$sizes,PropagateAtLaunch=false" ||
                fail "$name: its sizes cannot be noted"
        fi
        call autoscaling update-auto-scaling-group --auto-scaling-group-name "$name" \
            --min-size 0 --max-size 0 --desired-capacity 0 || fail "$name: its size cannot be set"
    done < <(jq -r '.AutoScalingGroups[] | "\(.AutoScalingGroupName) \(.MinSize)/\(.MaxSize)/\(.DesiredCapacity)"' <<<"$groups")
    send_away_busy
    wait_until_empty
}

# Scale-in leaves protected instances alone. Ended by name they drain, through the same hook.
send_away_busy() {
    local instance
    for instance in $(groups_json | jq -r '.AutoScalingGroups[].Instances[]?
        | select(.ProtectedFromScaleIn == true and .LifecycleState == "InService").InstanceId'); do
        call autoscaling terminate-instance-in-auto-scaling-group --instance-id "$instance" \
            --should-decrement-desired-capacity >/dev/null ||
            call autoscaling terminate-instance-in-auto-scaling-group --instance-id "$instance" \
                --no-should-decrement-desired-capacity >/dev/null || fail "$instance cannot be ended"
    done
}

wait_until_empty() {
    local minutes=${TIMEOUT:-$EMPTY_WAIT} until left said='' looks=0
    until=$((SECONDS + minutes * 60))
    while :; do
        left=$(groups_json | jq '[.AutoScalingGroups[].Instances[]?] | length') || left=unknown
        [ "$left" != 0 ] || return 0
        # One that was idle before may have taken a job, and protected itself, since.
        send_away_busy
        [ "$left" = "$said" ] || { note "  $left instances are left" && said=$left; }
        [ $SECONDS -lt $until ] ||
            fail "after $minutes minutes $left instances are left. They leave by themselves; then run this again"
        pause_before $((looks++))
    done
}

database_status() {
    call rds describe-db-instances --db-instance-identifier "$1" | jq -r '.DBInstances[0].DBInstanceStatus'
}

wait_for_database() {
    local id=$1 wanted=$2 minutes=${TIMEOUT:-$DATABASE_WAIT} until status looks=0
    until=$((SECONDS + minutes * 60))
    while status=$(database_status "$id") && [ "$status" != "$wanted" ]; do
        [ $SECONDS -lt $until ] || fail "after $minutes minutes the database is $status"
        pause_before $((looks++))
    done
}

stop_database() {
    local id status
    id=$(database_id)
    [ -n "$id" ] || { say "There is no database." && return; }
    status=$(database_status "$id") || fail "the database cannot be read"
    case $status in
        stopped | stopping) say "The database is $status." && return ;;
        available) ;;
        *) fail "the database is $status and cannot be stopped now; try again later" ;;
    esac
    call rds stop-db-instance --db-instance-identifier "$id" >/dev/null || fail "the database cannot be stopped"
    say "The database stops. After seven days RDS starts it again by itself: park again then, or take it down."
}

start_database() {
    local id status
    id=$(database_id)
    [ -n "$id" ] || return 0
    status=$(database_status "$id") || fail "the database cannot be read"
    case $status in stopped | stopping) ;; *) return 0 ;; esac
    [ "$status" = stopped ] || wait_for_database "$id" stopped
    note "starting the database"
    call rds start-db-instance --db-instance-identifier "$id" >/dev/null || fail "the database cannot be started"
    wait_for_database "$id" available
}

# Back to the sizes that it had. Nothing happens to an environment that is not parked.
unpark() {
    local groups name sizes min max desired parked=''
    start_database
    groups=$(groups_json) || fail "the groups cannot be read"
    while read -r name sizes; do
        [ -n "$name" ] || continue
        IFS=/ read -r min max desired <<<"$sizes"
        note "$name goes back to $min to $max instances"
        call autoscaling update-auto-scaling-group --auto-scaling-group-name "$name" \
            --min-size "$min" --max-size "$max" --desired-capacity "$desired" || fail "$name: its size cannot be set"
        call autoscaling delete-tags --tags "ResourceId=$name,ResourceType=auto-scaling-group,Key=parked" ||
            fail "$name: the note of its sizes cannot be removed"
        parked=yes
    done < <(jq -r '.AutoScalingGroups[] | . as $group | .Tags[]? | select(.Key == "parked") | "\($group.AutoScalingGroupName) \(.Value)"' <<<"$groups")
    UNPARKED=$parked
    [ -z "$parked" ] || switch_alarms enable
}
