# Dead jobs, due again.
#
# A job is dead because its row says so. The letter in the dead-letter queue only tells of it:
# moved back into a lane it points at a job that is dead, and is dropped there. So jobs are redriven
# through the API, and their letters go by themselves within a minute. Nothing here ever purges.
# shellcheck shell=bash

command_redrive() {
    if [ -n "$MESSAGES" ]; then
        redrive_messages
    else
        redrive_jobs
    fi
}

redrive_jobs() {
    local url body answer
    url=${REELFLEET_URL:-$(output 05-alb-autoscaling AlbUrl)}
    [ -n "$url" ] || fail "there is no API yet: $(again up) --only 05-alb-autoscaling --version …"
    [ -n "${REELFLEET_TOKEN:-}" ] ||
        refuse "an operator's token is needed in REELFLEET_TOKEN. The same with the command line: REELFLEET_URL=$url reelfleet dead list, dead show ID, dead redrive ID"
    need curl
    if [ -n "$ALL" ]; then
        [ ${#IDS[@]} -eq 0 ] || wrong "--all or ids, not both"
        body='{"all": true}'
    else
        [ ${#IDS[@]} -gt 0 ] || wrong "which jobs? Name their ids, or --all"
        body=$(jq -nc '{ids: $ARGS.positional}' --args "${IDS[@]}")
    fi
    # The token goes in by standard input: arguments can be seen by everybody on this machine.
    answer=$(printf 'header = "authorization: Bearer %s"\n' "$REELFLEET_TOKEN" |
        curl --silent --show-error --max-time 60 --fail-with-body --config - \
            --header 'content-type: application/json' --data "$body" "$url/api/admin/dead/redrive") ||
        fail "the API refuses: ${answer:-no answer}"
    jq -r '"\(.redriven) due again, \(.skipped | length) were not dead"' <<<"$answer"
}

# Messages that SQS moved by itself, after they had been received and not acknowledged too often.
# Their jobs are not dead, and are sent again by the relay anyway: this is for tidying up.
redrive_messages() {
    local arn answer
    arn=$(output 03.5-sqs-queue DeadQueueArn)
    [ -n "$arn" ] || fail "there is no dead-letter queue: $(again up) --only 03.5-sqs-queue"
    note "Messages go back to the lanes they came from. Jobs that are dead stay dead: for those, redrive without --messages."
    answer=$(call sqs start-message-move-task --source-arn "$arn" 2>&1) || fail "SQS refuses: $answer"
    say "started: $(jq -r .TaskHandle <<<"$answer")"
    call sqs list-message-move-tasks --source-arn "$arn" --max-results 1 |
        jq -r '.Results[0] | "\(.Status): \(.ApproximateNumberOfMessagesMoved // 0) moved\(if .FailureReason then ", \(.FailureReason)" else "" end)"'
}
