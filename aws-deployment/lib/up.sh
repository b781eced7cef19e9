# plan and up.
# shellcheck shell=bash

# Longest wait for a stack, minutes. A database takes a quarter of an hour, with a snapshot more;
# a rolling update waits for each batch: its boot, and what it drains.
longest_wait() {
    case $1 in
        04-*) echo 90 ;;
        05-* | 06-*) echo 120 ;;
        *) echo 30 ;;
    esac
}

# Whether the update of the stack at hand makes a schema on which the old release cannot start.
FORWARD_ONLY=

# Sets `rollback` of the caller to the alarms that take an update back. Each stack says itself which
# (its output RollbackAlarmArns): those on load and on the past say nothing of a new release.
rollback_options() {
    local description=$1 names alarms ringing minutes until looks=0
    if [ -z "$ALARM_ROLLBACK" ] || [ -n "$FORWARD_ONLY" ]; then
        # Those of the last update hold on until they are taken away.
        rollback=(--rollback-configuration '{"RollbackTriggers": [], "MonitoringTimeInMinutes": 0}')
        return 0
    fi
    names=$(output_of "$description" RollbackAlarmArns | tr , '\n' | sed 's/.*:alarm://')
    [ -n "$names" ] || return 0
    minutes=${UNPARKED:+${TIMEOUT:-$QUIET_WAIT}}
    until=$((SECONDS + ${minutes:-0} * 60))
    while :; do
        # shellcheck disable=SC2086 # one word an alarm: their names have no spaces
        alarms=$(call cloudwatch describe-alarms --alarm-names $names) || fail "the alarms cannot be read"
        # An alarm that rings already would undo the update at once.
        ringing=$(jq -r '[.MetricAlarms[] | select(.StateValue == "ALARM").AlarmName] | join(", ")' <<<"$alarms")
        # Those of an environment that was parked until now ring until its instances are there.
        [ -n "$ringing" ] && [ $SECONDS -lt $until ] || break
        [ $looks -gt 0 ] || note "waiting until $ringing is quiet, at most $minutes minutes"
        pause_before $((looks++))
    done
    [ -z "$ringing" ] || [ -z "$minutes" ] ||
        refuse "$ringing is still ringing $minutes minutes after the environment was started again, and would roll the update back at once. Nothing was updated. Look why ($(again status)), then run this again"
    [ -z "$ringing" ] ||
        refuse "$ringing is ringing, and would roll the update back at once. If the update is the remedy: --no-alarm-rollback"
    # shellcheck disable=SC2034 # the caller's
    rollback=(--rollback-configuration "$(jq -c --argjson minutes "$ALARM_MINUTES" '
        {RollbackTriggers: [.MetricAlarms[] | {Arn: .AlarmArn, Type: "AWS::CloudWatch::Alarm"}],
         MonitoringTimeInMinutes: $minutes}' <<<"$alarms")")
}

# What a stack's state lets us do: sets TYPE to CREATE or UPDATE, or ends with what helps.
change_type() {
    local stack=$1 name=$2 status=$3
    case $status in
        NONE | DELETE_COMPLETE | REVIEW_IN_PROGRESS) TYPE=CREATE ;;
        ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED) TYPE=RETRY ;;
        UPDATE_ROLLBACK_FAILED)
            show_failures "$name"
            fail "$stack: its last update could not be rolled back. Mend what is named above, then: aws cloudformation continue-update-rollback --stack-name $name${REGION:+ --region $REGION}. After an update that was forward only the group cannot go back: add --resources-to-skip Group, then: $(again up) --version and a later release"
            ;;
        DELETE_FAILED)
            show_failures "$name"
            fail "$stack: it was to be deleted and could not. Mend what is named above, then: $(again down)"
            ;;
        *_IN_PROGRESS) fail "$stack: $status. Somebody is at work on it; try again when it is done." ;;
        *_COMPLETE) TYPE=UPDATE ;;
        *) fail "$stack: cannot be changed in the state $status" ;;
    esac
}

takes_release() { jq -e 'any(.Parameters[]?; .ParameterKey == "AppVersion")' <<<"$1" >/dev/null; }

command_plan() {
    local stack name description summary parameters digest=''
    [ -z "$VERSION" ] || digest=$(release_digest)
    read_stacks
    check_parameters
    for stack in $(wanted_stacks); do
        name=$(stack_name "$stack")
        description=$(described "$name")
        template_options "$stack"
        summary=${SUMMARIES[$stack]}
        change_type "$stack" "$name" "$(status_of "$description")"
        [ -z "$VERSION" ] || ! takes_release "$summary" || guard_schema "$description"
        parameters=$(parameters_json "$stack" "$summary" "$description" "$digest") || fail "$stack: its parameters cannot be read"
        if [ "$TYPE" != UPDATE ]; then
            # What it takes from stacks before it may not be there yet, so no change set is made.
            say "$name: new, of"
            [ "$TYPE" = CREATE ] || say "  (what is left of a creation that failed is deleted first)"
            jq -r '[.ResourceTypes[]?] | group_by(.)[] | "  +  \(length) \(.[0])"' <<<"$summary"
        elif make_change_set "$stack" UPDATE "$parameters" "$description"; then
            say "$name:"
            show_changes <<<"$CHANGES"
            show_parameters "$stack" "$parameters" "$description"
            guard_changes "$stack" "$CHANGES" || true
            drop_change_set "$stack" UPDATE
        else
            say "$name: nothing to change"
        fi
    done
}

command_up() {
    local stack digest=''
    [ -z "$VERSION" ] || digest=$(release_digest)
    read_stacks
    check_parameters
    unpark
    for stack in $(wanted_stacks); do
        up_one "$stack" "$digest"
    done
    read_stacks
    warn_of_gaps
    tell_address
}

up_one() {
    local stack=$1 digest=$2 name description summary parameters
    FORWARD_ONLY=
    name=$(stack_name "$stack")
    description=$(described "$name")
    change_type "$stack" "$name" "$(status_of "$description")"
    if [ "$TYPE" = RETRY ]; then
        remove_remains "$stack" "$name" "$description"
        description='{"StackStatus": "NONE"}' TYPE=CREATE
    fi
    template_options "$stack"
    summary=${SUMMARIES[$stack]}
    if takes_release "$summary"; then
        if [ -z "$VERSION" ] && [ "$TYPE" = CREATE ]; then
            refuse "$stack needs a release. Upload one: ./release.sh --upload $(output 02-s3-iam ArtifactBucket); then go on: $(again up) --version …"
        fi
        [ -z "$VERSION" ] || guard_schema "$description"
    fi
    parameters=$(parameters_json "$stack" "$summary" "$description" "$digest") || fail "$stack: its parameters cannot be read"
    if ! make_change_set "$stack" "$TYPE" "$parameters" "$description"; then
        say "$name: nothing to change"
    else
        say "$name:"
        show_changes <<<"$CHANGES"
        show_parameters "$stack" "$parameters" "$description"
        if ! guard_changes "$stack" "$CHANGES"; then
            drop_change_set "$stack" "$TYPE"
            exit 3
        fi
        # Refused by whoever is asked, it leaves nothing behind.
        (confirm "Change $name so?") || { drop_change_set "$stack" "$TYPE" && exit 1; }
        run_change_set "$stack" "$name"
    fi
    protect "$stack" "$name"
}

# What a failed creation left: it never was whole, so nothing of it holds anything.
remove_remains() {
    local stack=$1 name=$2 description=$3
    note "$stack: what is left of a creation that failed is deleted."
    confirm "Delete the remains of $name?"
    call cloudformation update-termination-protection --no-enable-termination-protection --stack-name "$name" >/dev/null
    delete_and_wait "$stack" "$name" "$description"
}

run_change_set() {
    local stack=$1 name=$2 token=$CHANGE_SET id
    local -a options=()
    # A creation that fails leaves no bucket behind that nobody knows of.
    [ "$TYPE" = CREATE ] && options=(--retain-except-on-create)
    id=$(jq -r .StackId <<<"$CHANGES")
    open_policy "$stack" "$name"
    call cloudformation execute-change-set --stack-name "$name" --change-set-name "$CHANGE_SET" \
        --client-request-token "$token" "${options[@]+"${options[@]}"}" >/dev/null ||
        fail "$stack: the change set cannot be run"
    wait_for_stack "$id" "$(longest_wait "$stack")"
    case $STATUS in
        CREATE_COMPLETE | UPDATE_COMPLETE) ;;
        *)
            [ "$TYPE" = CREATE ] || close_policy "$stack" "$name"
            show_failures "$id" "$token"
            fail "$stack: $STATUS"
            ;;
    esac
}

# What holds data cannot be deleted by a slip of the hand.
protect() {
    local stack=$1 name=$2
    among "$stack" "${STATEFUL_STACKS[@]}" || return 0
    # Told again only where it is not so already.
    { [ "$TYPE" = UPDATE ] && jq -e .EnableTerminationProtection <<<"$(described "$name")" >/dev/null; } ||
        call cloudformation update-termination-protection --enable-termination-protection \
            --stack-name "$name" >/dev/null || fail "$stack: termination protection cannot be switched on"
    close_policy "$stack" "$name"
}

# The database's stack refuses to lose its database and secrets, whoever changes it; it is opened
# only for an update that was allowed to.
DATABASE_STACK=04-rds-database

open_policy() {
    local stack=$1 name=$2 allowed
    [ "$stack" = $DATABASE_STACK ] && [ "$TYPE" = UPDATE ] || return 0
    for allowed in "${ALLOWED[@]+"${ALLOWED[@]}"}"; do
        [[ $allowed != "$stack"/* ]] || { set_policy "$name" '[]' && return; }
    done
}

close_policy() {
    local stack=$1 name=$2
    [ "$stack" = $DATABASE_STACK ] || return 0
    set_policy "$name" '[{"Effect": "Deny", "Principal": "*", "Action": ["Update:Replace", "Update:Delete"],
        "Resource": "*", "Condition": {"StringEquals": {"ResourceType":
            ["AWS::RDS::DBInstance", "AWS::SecretsManager::Secret"]}}}]'
}

set_policy() {
    local policy
    policy=$(jq -c '{Statement: ([{Effect: "Allow", Principal: "*", Action: "Update:*", Resource: "*"}] + .)}' <<<"$2")
    call cloudformation set-stack-policy --stack-name "$1" --stack-policy-body "$policy" >/dev/null ||
        fail "$1: its policy cannot be set"
}

tell_address() {
    local url
    url=$(output_of "$(described "$(stack_name 05-alb-autoscaling)")" AlbUrl)
    [ -z "$url" ] || say "The fleet: $url"
}
