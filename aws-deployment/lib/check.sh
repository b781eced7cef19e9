# What parameters have to do with each other, looked at before anything changes.
# shellcheck shell=bash

# Each wanted stack's summary of its template, by its name; and of the template that it has now.
declare -A SUMMARIES=() PRESENT=()

# Exit 3 with what does not fit, all of it. A stack that this run leaves alone counts as it is.
check_parameters() {
    local stack wanted all='{}' values said
    wanted=$(wanted_stacks)
    read_summaries "$wanted"
    check_names "$wanted"
    for stack in 05-alb-autoscaling 06-workers-autoscaling 07-observability; do
        values=$(values_of "$stack") || fail "$stack: its parameters cannot be read"
        all=$(jq --arg stack "$stack" --argjson values "$values" '. + {($stack): $values}' <<<"$all")
    done
    said=$(misfits "$all") || fail "the parameters cannot be compared"
    [ -z "$said" ] || refuse "$said
Nothing was changed."
}

# All summaries, a few at a time: most of each question is the start of the aws command.
read_summaries() {
    local wanted=$1 stack name
    for stack in $wanted; do
        template_options "$stack"
        printf '%s\0' "new-$stack" "${TEMPLATE[@]}"
        name=$(stack_name "$stack")
        ! is_whole "$(described "$name")" || printf '%s\0' "now-$stack" --stack-name "$name"
    done >"$SCRATCH/questions"
    export -f call ask_summary
    export REGION ENDPOINT SCRATCH
    # shellcheck disable=SC2016 # the inner shell expands it
    xargs -0 -n 3 -P 4 bash -c 'ask_summary "$@"' _ <"$SCRATCH/questions" || true
    for stack in $wanted; do
        SUMMARIES[$stack]=$(answered "new-$stack") || fail "$stack: the template is not valid"
        PRESENT[$stack]='{}'
        ! grep -qzxF "now-$stack" "$SCRATCH/questions" || PRESENT[$stack]=$(answered "now-$stack") ||
            fail "$stack: its present template cannot be read"
    done
}

ask_summary() {
    local answer=$SCRATCH/$1
    shift
    if call cloudformation get-template-summary "$@" >"$answer.part" 2>"$answer.error"; then
        mv "$answer.part" "$answer"
    fi
}

# What was answered, or what was said instead.
answered() {
    [ -e "$SCRATCH/$1" ] && cat "$SCRATCH/$1" && return
    cat "$SCRATCH/$1.error" >&2
    return 1
}

# That the templates know each name; and what the next run would undo.
check_names() {
    local wanted=$1 set stack name value file
    while read -r stack name; do
        grep -qxF -- "$stack" <<<"$wanted" || continue
        declares "$stack" "$name" || refuse "$PARAMETERS: $stack.yaml has no parameter $name. Nothing was changed."
    done < <(jq -r 'to_entries[] | .key as $stack | .value | keys[] | "\($stack) \(.)"' "$PARAMETERS")
    for set in "${SETS[@]+"${SETS[@]}"}"; do
        stack=${set%%:*} name=${set#*:}
        value=${name#*=} name=${name%%=*}
        if ! grep -qxF -- "$stack" <<<"$wanted"; then
            note "--set $stack:$name has no effect: this run leaves that stack alone"
            continue
        fi
        declares "$stack" "$name" || refuse "--set $stack:$name: $stack.yaml has no parameter $name. Nothing was changed."
        file=$(jq -r --arg stack "$stack" --arg name "$name" '.[$stack][$name] // empty' "$PARAMETERS")
        [ -z "$file" ] || [ "$file" = "$value" ] ||
            note "$PARAMETERS says $name: $file for $stack. The next run without --set $stack:$name=$value goes back to that; write it into a file of your own to keep it."
    done
}

declares() { jq -e --arg name "$2" 'any(.Parameters[]?; .ParameterKey == $name)' <<<"${SUMMARIES[$1]}" >/dev/null; }

# The parameters of a stack as they will be: given, else what it has, else the default; {} if there is none.
values_of() {
    local stack=$1 description given='[]' summary=${SUMMARIES[$1]:-}
    description=$(described "$(stack_name "$stack")")
    # What is left of a creation that failed goes, with its parameters.
    is_whole "$description" || description='{}'
    if [ -n "$summary" ]; then
        given=$(parameters_json "$stack" "$summary" "$description" '') || return 1
    fi
    jq -n --argjson summary "${summary:-"{}"}" --argjson has "$description" --argjson given "$given" '
        ([$summary.Parameters[]? | select(.DefaultValue != null) | {key: .ParameterKey, value: .DefaultValue}]
         + [$has.Parameters[]? | {key: .ParameterKey, value: .ParameterValue}]
         + [$given[] | select(has("ParameterValue")) | {key: .ParameterKey, value: .ParameterValue}])
        | from_entries'
}

# One line for each thing that does not fit.
misfits() {
    jq -r '
        .["05-alb-autoscaling"] as $api | .["06-workers-autoscaling"] as $workers | .["07-observability"] as $seen
        | (if $workers.ScalingMetric == "BacklogSecondsPerWorker" then "TargetBacklogSeconds" else "TargetBacklogPerWorker" end) as $target
        | (select($workers.HookTimeoutSeconds and $workers.DrainSeconds)
           | select(($workers.HookTimeoutSeconds | tonumber) < ($workers.DrainSeconds | tonumber) + 60)
           | "06-workers-autoscaling: HookTimeoutSeconds (\($workers.HookTimeoutSeconds)) has to be at least DrainSeconds (\($workers.DrainSeconds)) and 60 more."),
          (select($api.MetricPeriod and $workers.MetricPeriod and $api.MetricPeriod != $workers.MetricPeriod)
           | "MetricPeriod has to be the same in 05-alb-autoscaling (\($api.MetricPeriod)) and 06-workers-autoscaling (\($workers.MetricPeriod))."),
          (select($workers.ScalingMetric and $seen.ScalingMetric and $workers.ScalingMetric != $seen.ScalingMetric)
           | "ScalingMetric has to be the same in 06-workers-autoscaling (\($workers.ScalingMetric)) and 07-observability (\($seen.ScalingMetric))."),
          (select($workers[$target] and $seen.ScalingTarget and ($workers[$target] | tonumber) != ($seen.ScalingTarget | tonumber))
           | "ScalingTarget of 07-observability (\($seen.ScalingTarget)) has to be \($target) of 06-workers-autoscaling (\($workers[$target])).")' <<<"$1"
}
