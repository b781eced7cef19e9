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
        # Noted first: whatever ends this run, the next `up` knows what to switch on again.
        note_sizes "$groups"
        switch_alarms disable
        empty_groups "$groups"
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

# Name and sizes of each group, one a line.
sizes_of() {
    jq -r '.AutoScalingGroups[] | "\(.AutoScalingGroupName) \(.MinSize)/\(.MaxSize)/\(.DesiredCapacity)"' <<<"$1"
}

# The sizes, kept as a tag. One that is parked already keeps its note.
note_sizes() {
    local name sizes
    while read -r name sizes; do
        [ "$sizes" != 0/0/0 ] || continue
        call autoscaling create-or-update-tags --tags \
            "ResourceId=$name,ResourceType=auto-scaling-group,Key=parked,Value=$sizes,PropagateAtLaunch=false" ||
            fail "$name: its sizes cannot be noted. Nothing was parked"
    done < <(sizes_of "$1")
}

# Sizes to zero, and every instance away.
empty_groups() {
    local groups=$1 name
    while read -r name _; do
        call autoscaling update-auto-scaling-group --auto-scaling-group-name "$name" \
            --min-size 0 --max-size 0 --desired-capacity 0 || fail "$name: its size cannot be set"
    done < <(sizes_of "$groups")
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

# Asks first, unless whoever calls has (then with a word).
start_database() {
    local asked=${1:-} id status
    id=$(database_id)
    [ -n "$id" ] || return 0
    status=$(database_status "$id") || fail "the database cannot be read"
    case $status in stopped | stopping) ;; *) return 0 ;; esac
    [ -n "$asked" ] || confirm "The database is $status. Start it again, which costs money?"
    [ "$status" = stopped ] || wait_for_database "$id" stopped
    note "starting the database"
    call rds start-db-instance --db-instance-identifier "$id" >/dev/null || fail "the database cannot be started"
    wait_for_database "$id" available
}

# Back to the sizes that it had. Nothing happens to an environment that is not parked.
unpark() {
    local groups name sizes min max desired parked
    groups=$(groups_json) || fail "the groups cannot be read"
    parked=$(jq -r '.AutoScalingGroups[] | . as $group | .Tags[]? | select(.Key == "parked") | "\($group.AutoScalingGroupName) \(.Value)"' <<<"$groups")
    [ -z "$parked" ] || confirm "$ENVIRONMENT is parked. Start its database and instances again, which cost money?"
    start_database "$parked"
    [ -n "$parked" ] || return 0
    while read -r name sizes; do
        IFS=/ read -r min max desired <<<"$sizes"
        note "$name goes back to $min to $max instances"
        call autoscaling update-auto-scaling-group --auto-scaling-group-name "$name" \
            --min-size "$min" --max-size "$max" --desired-capacity "$desired" || fail "$name: its size cannot be set"
    done <<<"$parked"
    # The notes go last: while there is one, the next run begins this anew.
    switch_alarms enable
    while read -r name _; do
        call autoscaling delete-tags --tags "ResourceId=$name,ResourceType=auto-scaling-group,Key=parked" ||
            fail "$name: the note of its sizes cannot be removed"
    done <<<"$parked"
    UNPARKED=yes
}
