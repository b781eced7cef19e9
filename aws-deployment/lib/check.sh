# What parameters have to do with each other, looked at before anything changes.
# shellcheck shell=bash

# Each wanted stack's summary of its template, by its name.
declare -A SUMMARIES=()

# Exit 3 with what does not fit, all of it. A stack that this run leaves alone counts as it is.
check_parameters() {
    local stack wanted all='{}' values said
    wanted=$(wanted_stacks)
    for stack in $wanted; do
        template_options "$stack"
        SUMMARIES[$stack]=$(summary_of "$stack") || exit 1
    done
    check_names "$wanted"
    for stack in 05-alb-autoscaling 06-workers-autoscaling 07-observability; do
        values=$(values_of "$stack") || fail "$stack: its parameters cannot be read"
        all=$(jq --arg stack "$stack" --argjson values "$values" '. + {($stack): $values}' <<<"$all")
    done
    said=$(misfits "$all") || fail "the parameters cannot be compared"
    [ -z "$said" ] || refuse "$said
Nothing was changed."
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
    case $(status_of "$description") in
        ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED | REVIEW_IN_PROGRESS) description='{}' ;;
    esac
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
