# What API and workers have logged, of all instances together.
# shellcheck shell=bash

command_logs() {
    local role from until roles=(api worker) shown=''
    [ -z "$ROLE" ] || roles=("$ROLE")
    from=$((($(date +%s) - SINCE * 60) * 1000))
    while :; do
        until=$(($(date +%s) * 1000))
        for role in "${roles[@]}"; do
            show_log "/reelfleet/$ENVIRONMENT/$role" "$role" "$from" "$until" && shown=yes
        done
        [ -n "$shown" ] || fail "there is no log of $ENVIRONMENT yet: deploy stacks 05 and 06 first: $(again up) --from 05-alb-autoscaling --version …"
        [ -n "$FOLLOW" ] || return 0
        # A line may arrive some seconds after it was written.
        from=$((until - 5000 > from ? until - 5000 : from))
        sleep 5
    done | { if [ -n "$FOLLOW" ]; then awk '!seen[$0]++ { print; fflush() }'; else cat; fi; }
}

# Status 1: there is no such log.
show_log() {
    local group=$1 role=$2 answer
    if ! answer=$(call logs filter-log-events --log-group-name "$group" --start-time "$3" --end-time "$4" 2>&1); then
        [[ $answer == *ResourceNotFoundException* ]] || fail "the log $group cannot be read: $answer"
        return 1
    fi
    jq -r --arg role "$role" '.events[] | "\(.timestamp / 1000 | floor | todate) \($role) \(.logStreamName) \(.message)"' <<<"$answer"
}
