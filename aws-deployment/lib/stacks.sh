# One stack: what state it is in, a change set for it, and waiting for the end of it.
# shellcheck shell=bash

# CloudFormation takes no longer template than this, bytes.
LONGEST_BODY=51200
# Longest wait for a change set, seconds.
CHANGE_SET_WAIT=300

# Names of stacks have no dots.
stack_name() { printf '%s-%s' "$ENVIRONMENT" "${1//./-}"; }

# The description of a stack, or {"StackStatus": "NONE"}.
describe() {
    local answer
    if answer=$(call cloudformation describe-stacks --stack-name "$1" 2>&1); then
        jq '.Stacks[0]' <<<"$answer"
    elif [[ $answer == *"does not exist"* ]]; then
        echo '{"StackStatus": "NONE"}'
    else
        fail "AWS does not answer for the stack $1: $answer"
    fi
}

# Names of this environment's alarms, as the templates give them. By their beginning alone they
# could be those of an environment whose name begins like ours.
alarm_names() {
    sed -n "s/^ *AlarmName: !Sub '\${EnvironmentName}-\([a-z0-9-]*\)'.*/$ENVIRONMENT-\1/p" "$TEMPLATES"/*.yaml
}

# All stacks of this environment as they are now, in one question.
read_stacks() {
    local answer
    answer=$(call cloudformation describe-stacks) || fail "AWS does not tell of its stacks"
    READ_STACKS=$(jq --arg prefix "$ENVIRONMENT-" '[.Stacks[] | select(.StackName | startswith($prefix))]' <<<"$answer")
}

# The description of a stack as it was when all were read.
described() {
    jq --arg name "$1" 'map(select(.StackName == $name))[0] // {StackStatus: "NONE"}' <<<"$READ_STACKS"
}

# Whether there is a stack, and more than what is left of a creation that failed.
is_whole() {
    case $(status_of "$1") in
        NONE | DELETE_COMPLETE | ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED | REVIEW_IN_PROGRESS) return 1 ;;
    esac
}

status_of() { jq -r .StackStatus <<<"$1"; }
output_of() { jq -r --arg key "$2" '.Outputs[]? | select(.OutputKey == $key).OutputValue' <<<"$1"; }

# An output of another stack of this environment; nothing where there is none.
output() {
    local description
    description=$(describe "$(stack_name "$1")") || exit 1
    output_of "$description" "$2"
}

# The template of a stack, as options of a call.
template_options() {
    local file=$TEMPLATES/$1.yaml
    [ -e "$file" ] || fail "there is no template $file"
    [ "$(wc -c <"$file")" -le $LONGEST_BODY ] || fail "$file is longer than CloudFormation takes, $LONGEST_BODY bytes"
    TEMPLATE=(--template-body "file://$file")
}

# The parameters of a change set: what is given, else what the stack has, else the default. What the
# stack has is kept if somebody chose it: where it is the default of the template that the stack has
# now, the new template's default takes its place. Nobody may see a secret, so that stays as it is.
parameters_json() {
    local stack=$1 summary=$2 description=$3 digest=$4 set sets='[]'
    for set in "${SETS[@]+"${SETS[@]}"}"; do
        [ "${set%%:*}" = "$stack" ] || continue
        set=${set#*:}
        sets=$(jq --arg key "${set%%=*}" --arg value "${set#*=}" '. + [{$key, $value}]' <<<"$sets")
    done
    jq -n --argjson summary "$summary" --argjson has "$description" --argjson sets "$sets" \
        --argjson present "${PRESENT[$stack]:-"{}"}" --arg stack "$stack" --arg environment "$ENVIRONMENT" --arg version "$VERSION" \
        --arg digest "$digest" --slurpfile file "$PARAMETERS" '
        def defaults: [.Parameters[]? | select(.DefaultValue != null and .NoEcho != true)
            | {key: .ParameterKey, value: .DefaultValue}] | from_entries;
        ([$summary.Parameters[]?.ParameterKey]) as $declared
        | ([$has.Parameters[]? | {key: .ParameterKey, value: .ParameterValue}] | from_entries) as $previous
        | ($present | defaults) as $old | ($summary | defaults) as $new
        | (($file[0][$stack] // {})
            + (if $version == "" then {} else {AppVersion: $version, AppSha256: $digest} end
               | with_entries(select(.key as $key | $declared | index($key))))
            + ($sets | from_entries)
            + {EnvironmentName: $environment}) as $given
        | [$given | to_entries[] | {ParameterKey: .key, ParameterValue: .value}]
          + [($declared - ($given | keys))[] | . as $key | select($previous | has($key))
             | if ($old | has($key)) and ($new | has($key)) and $previous[$key] == $old[$key] and $old[$key] != $new[$key]
               then {ParameterKey: ., ParameterValue: $new[$key]}
               else {ParameterKey: ., UsePreviousValue: true} end]'
}

# Makes a change set, and leaves its description in CHANGES. Status 1: there is nothing to change.
make_change_set() {
    local stack=$1 type=$2 parameters=$3 description=$4 name looks=0 until status reason
    local -a rollback=()
    # A plan changes nothing, so it does not mind what rings.
    [ "$type" = UPDATE ] && [ "$COMMAND" = up ] && rollback_options "$description"
    name=$(stack_name "$stack")
    CHANGE_SET=deploy-$(date -u +%Y%m%d%H%M%S)-$$
    call cloudformation create-change-set --stack-name "$name" --change-set-name "$CHANGE_SET" \
        --change-set-type "$type" "${TEMPLATE[@]}" --parameters "$parameters" \
        --capabilities CAPABILITY_IAM CAPABILITY_NAMED_IAM "${rollback[@]+"${rollback[@]}"}" \
        --tags Key=Environment,Value="$ENVIRONMENT" Key=Application,Value=reelfleet Key=ManagedBy,Value=cloudformation \
        >/dev/null || fail "$stack: AWS refuses the change set"
    until=$((SECONDS + CHANGE_SET_WAIT))
    while :; do
        CHANGES=$(call cloudformation describe-change-set --stack-name "$name" --change-set-name "$CHANGE_SET") ||
            fail "$stack: the change set cannot be read"
        status=$(jq -r .Status <<<"$CHANGES")
        case $status in
            CREATE_COMPLETE) return 0 ;;
            FAILED)
                reason=$(jq -r '.StatusReason // "no reason given"' <<<"$CHANGES")
                drop_change_set "$stack" "$type"
                case $reason in
                    *"didn't contain changes"* | *"No updates are to be performed"*) return 1 ;;
                esac
                fail "$stack: the change set failed: $reason"
                ;;
        esac
        [ $SECONDS -lt $until ] || fail "$stack: the change set was not made within $CHANGE_SET_WAIT s"
        pause_before $((looks++))
    done
}

# A change set that is not run is taken away, and with it the empty stack that a first one makes.
drop_change_set() {
    local name
    name=$(stack_name "$1")
    call cloudformation delete-change-set --stack-name "$name" --change-set-name "$CHANGE_SET" >/dev/null || true
    if [ "$2" = CREATE ]; then
        call cloudformation delete-stack --stack-name "$name" >/dev/null || true
    fi
}

# Waits until nothing is under way, at most so many minutes; the last status is in STATUS.
wait_for_stack() {
    local id=$1 minutes=${TIMEOUT:-$2} looks=0 until said='' description
    until=$((SECONDS + minutes * 60))
    STATUS=unknown
    while :; do
        # One question without an answer is no reason to stop waiting.
        if description=$(describe "$id"); then
            STATUS=$(status_of "$description")
            [ "$STATUS" = "$said" ] || { note "  $STATUS" && said=$STATUS; }
            case $STATUS in *_IN_PROGRESS) ;; *) return 0 ;; esac
        fi
        [ $SECONDS -lt $until ] ||
            fail "after $minutes minutes it is still $STATUS. AWS goes on; look with: $(again status)"
        pause_before $((looks++))
    done
}

# The events of a failure, the first one first: the others are mostly what it led to.
show_failures() {
    local id=$1 token=${2:-} events
    events=$(call cloudformation describe-stack-events --stack-name "$id" --max-items 500) || return 0
    jq -r --arg token "$token" '
        [.StackEvents[]
         | select($token == "" or .ClientRequestToken == $token)
         | select(.ResourceStatus | test("_FAILED$"))
         | select(.ResourceStatusReason // "" | test("cancelled|Cancelled") | not)]
        | reverse
        | (.[0] // empty | "First failure: \(.LogicalResourceId) (\(.ResourceType)): \(.ResourceStatusReason // .ResourceStatus)"),
          (.[1:][] | "         then: \(.LogicalResourceId) (\(.ResourceType)): \(.ResourceStatusReason // .ResourceStatus)")
        ' <<<"$events" >&2
    jq -r --arg token "$token" '
        [.StackEvents[]
         | select($token == "" or .ClientRequestToken == $token)
         | select(.ResourceType == "AWS::CloudFormation::Stack")
         | select(.ResourceStatus | test("ROLLBACK_IN_PROGRESS$"))][0].ResourceStatusReason // empty
        ' <<<"$events" >&2
}
