# How an environment is. Every part is shown that can be read, on a fresh account too.
# shellcheck shell=bash

GROUPS_OF_FLEET=(api workers)

command_status() {
    local stack found=''
    read_stacks
    for stack in "${STACKS[@]}"; do status_of_stack "$stack" && found=yes; done
    [ -n "$found" ] || { say "There is no stack of the environment $ENVIRONMENT yet." && return; }
    status_of_database
    status_of_groups
    status_of_metric
    status_of_queues
    status_of_alarms
    warn_of_gaps
    tell_address
}

# Status 1: there is none.
status_of_stack() {
    local description status hint=''
    description=$(described "$(stack_name "$1")")
    status=$(status_of "$description")
    [ "$status" != NONE ] || return 1
    case $status in
        ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED) hint=' (was never whole: up deletes it and begins anew)' ;;
        REVIEW_IN_PROGRESS) hint=' (a plan that was not carried out: nothing is there)' ;;
        UPDATE_ROLLBACK_FAILED) hint=' (stuck: aws cloudformation continue-update-rollback)' ;;
        UPDATE_ROLLBACK_COMPLETE) hint=' (the last update was undone)' ;;
    esac
    jq -r --arg hint "$hint" '
        ([.Parameters[]? | select(.ParameterKey == "AppVersion").ParameterValue][0]) as $version
        | "stack \(.StackName): \(.StackStatus)\($hint), "
          + (if $version then "release \($version), " else "" end)
          + "since \((.LastUpdatedTime // .CreationTime) | tostring | .[0:19])"' <<<"$description"
}

database_id() {
    call cloudformation describe-stack-resource --stack-name "$(stack_name 04-rds-database)" \
        --logical-resource-id Db 2>/dev/null | jq -r '.StackResourceDetail.PhysicalResourceId // empty' || true
}

status_of_database() {
    local id
    id=$(database_id)
    [ -n "$id" ] || return 0
    call rds describe-db-instances --db-instance-identifier "$id" 2>/dev/null |
        jq -r '.DBInstances[0] | "database: \(.DBInstanceStatus), \(.DBInstanceClass), Postgres \(.EngineVersion)\(if .MultiAZ then ", two zones" else "" end)"' ||
        say "database: cannot be read"
}

# The groups of this environment that are there, as JSON.
groups_json() {
    local names
    names=("${GROUPS_OF_FLEET[@]/#/$ENVIRONMENT-}")
    call autoscaling describe-auto-scaling-groups --auto-scaling-group-names "${names[@]}"
}

status_of_groups() {
    groups_json | jq -r '.AutoScalingGroups[]
        | ([.Instances[]? | select(.LifecycleState == "InService")] | length) as $serving
        | ([.Instances[]? | select(.ProtectedFromScaleIn == true)] | length) as $busy
        | ([.Instances[]? | .LifecycleState | select(. != "InService")] | group_by(.) | map("\(length) \(.[0])") | join(", ")) as $others
        | ([.Instances[]?.AvailabilityZone] | unique | length) as $zones
        | ([.Tags[]? | select(.Key == "parked")] | length > 0) as $parked
        | "group \(.AutoScalingGroupName): \($serving) in service of \(.DesiredCapacity) wanted (\(.MinSize) to \(.MaxSize))"
          + (if $zones > 0 then ", in \($zones) zone\(if $zones > 1 then "s" else "" end)" else "" end)
          + (if $busy > 0 then ", \($busy) protected by their work" else "" end)
          + (if $others != "" then ", \($others)" else "" end)
          + (if $parked then ", parked" else "" end)' || say "groups: cannot be read"
}

# The newest value of each within the last ten minutes.
status_of_metric() {
    local names=(BacklogPerWorker BacklogSecondsPerWorker JobsWaiting JobsRunning JobsDead JobsFailing WorkersActive OldestWaitingSeconds)
    local queries now
    now=$(date -u +%s)
    queries=$(printf '%s\n' "${names[@]}" | jq -R . | jq -s --arg environment "$ENVIRONMENT" '
        [to_entries[] | {Id: "m\(.key)", MetricStat: {Stat: "Maximum", Period: 60,
            Metric: {Namespace: "Reelfleet", MetricName: .value,
                     Dimensions: [{Name: "Environment", Value: $environment}]}}}]')
    call cloudwatch get-metric-data --metric-data-queries "$queries" --scan-by TimestampDescending \
        --start-time "$((now - 600))" --end-time "$now" |
        jq -r --args '
            [.MetricDataResults[] | select(.Values != []) | {Id, value: .Values[0]}] as $found
            | if $found == [] then "metric: nobody has published it within ten minutes"
              else $found[] | "metric \($ARGS.positional[.Id[1:] | tonumber]): \(.value * 100 | round / 100)" end
        ' "${names[@]}" || say "metric: cannot be read"
}

status_of_queues() {
    local urls
    urls=$(call sqs list-queues --queue-name-prefix "$ENVIRONMENT-jobs-" | jq -r '.QueueUrls[]?') || true
    [ -n "$urls" ] || { say "queues: none" && return; }
    # shellcheck disable=SC2016 # the inner shell expands it
    export -f call status_of_queue
    export REGION ENDPOINT
    xargs -P 4 -n 1 bash -c 'status_of_queue "$0"' <<<"$urls" | sort
}

status_of_queue() {
    call sqs get-queue-attributes --queue-url "$1" \
        --attribute-names ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible |
        jq -r --arg name "${1##*/}" '.Attributes
            | "queue \($name): \(.ApproximateNumberOfMessages) waiting, \(.ApproximateNumberOfMessagesNotVisible) in hand"' ||
        echo "queue ${1##*/}: cannot be read"
}

status_of_alarms() {
    # shellcheck disable=SC2046 # one word an alarm
    call cloudwatch describe-alarms --alarm-names $(alarm_names) | jq -r '
        [.MetricAlarms[]?, .CompositeAlarms[]?] as $all
        | ($all | map(select(.StateValue == "ALARM"))) as $ringing
        | "alarms: \($all | length), of which ring \($ringing | length)"
          + "\($all | map(select(.ActionsEnabled == false)) | length | if . > 0 then ", \(.) switched off" else "" end)",
          ($ringing[] | "  RINGS \(.AlarmName): \(.AlarmDescription // .StateReason)")' ||
        say "alarms: cannot be read"
}
