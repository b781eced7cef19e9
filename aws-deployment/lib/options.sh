# The command line.
# shellcheck shell=bash
# shellcheck disable=SC2034 # the other files read these

# In this order; taken down in the reverse one.
STACKS=(
    01-vpc-networking 01.5-nat-gateway 02-s3-iam 03.5-sqs-queue
    04-rds-database 05-alb-autoscaling 06-workers-autoscaling 07-observability
)
# These hold what cannot be made again.
STATEFUL_STACKS=(02-s3-iam 03.5-sqs-queue 04-rds-database)

read_options() {
    COMMAND='' ENVIRONMENT='' REGION='' ENDPOINT='' YES='' PARAMETERS='' VERSION='' FROM='' TO=''
    ALARM_MINUTES=10 ALARM_ROLLBACK=yes TEMPLATES=$here TIMEOUT='' ROLE='' SINCE=10 FOLLOW=''
    ALL='' MESSAGES='' SET_NAME=''
    ONLY=() SETS=() ALLOWED=() DELETE=() DELETE_BUCKETS=() IDS=()
    case ${1:-} in
        plan | up | status | logs | redrive | park | down) COMMAND=$1 && shift ;;
        -h | --help | help) usage && exit ;;
        '') usage >&2 && exit 2 ;;
        *) wrong "there is no command $1" ;;
    esac
    while [ $# -gt 0 ]; do
        case $1 in
            --environment | --region | --endpoint-url | --parameters | --version | --from | --to | \
                --only | --set | --allow-stateful-replacement | --alarm-minutes | --templates | \
                --timeout | --role | --since | --delete | --delete-bucket)
                [ $# -ge 2 ] || wrong "$1 needs a value"
                option "$1" "$2"
                shift 2
                ;;
            --yes) YES=yes && shift ;;
            --no-alarm-rollback) ALARM_ROLLBACK='' && shift ;;
            --follow) FOLLOW=yes && shift ;;
            --all) ALL=yes && shift ;;
            --messages) MESSAGES=yes && shift ;;
            -h | --help) usage && exit ;;
            -*) wrong "there is no option $1" ;;
            *)
                [ "$COMMAND" = redrive ] || wrong "$1 is none of its options"
                IDS+=("$1") && shift
                ;;
        esac
    done
    [[ $ENVIRONMENT =~ ^[a-z][a-z0-9-]{1,20}$ ]] ||
        wrong "--environment needs 2 to 21 small letters, digits and dashes, a letter first"
    case $COMMAND in plan | up) read_parameters ;; esac
}

option() {
    case $1 in
        --environment) ENVIRONMENT=$2 ;;
        --region) REGION=$2 ;;
        --endpoint-url) ENDPOINT=$2 ;;
        --parameters) PARAMETERS=$2 SET_NAME=$2 ;;
        --version)
            [[ $2 =~ ^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$ ]] || wrong "$2 is no version"
            VERSION=$2
            ;;
        --from) known "$2" && FROM=$2 ;;
        --to) known "$2" && TO=$2 ;;
        --only) known "$2" && ONLY+=("$2") ;;
        --set)
            [[ $2 =~ ^[^:]+:[A-Za-z0-9]+=.*$ ]] || wrong "--set needs STACK:NAME=VALUE"
            known "${2%%:*}" && SETS+=("$2")
            ;;
        --allow-stateful-replacement) known "${2%%/*}" && ALLOWED+=("$2") ;;
        --alarm-minutes) number "$@" && ALARM_MINUTES=$2 ;;
        --templates) TEMPLATES=$2 ;;
        --timeout) number "$@" && TIMEOUT=$2 ;;
        --role)
            among "$2" api worker || wrong "--role is api or worker"
            ROLE=$2
            ;;
        --since) number "$@" && SINCE=$2 ;;
        --delete) known "$2" && DELETE+=("$2") ;;
        --delete-bucket) DELETE_BUCKETS+=("$2") ;;
    esac
}

known() { among "$1" "${STACKS[@]}" || wrong "there is no stack $1; there are ${STACKS[*]}"; }
number() { [[ $2 =~ ^(0|[1-9][0-9]{0,3})$ ]] || wrong "$1 needs a number"; }

# One file for a set: what a stack is not named in is not deployed.
read_parameters() {
    local stack
    [ -n "$PARAMETERS" ] || wrong "--parameters is needed: academy, small, production, or a file"
    [ -e "$PARAMETERS" ] || PARAMETERS=$here/parameters/$PARAMETERS.json
    [ -e "$PARAMETERS" ] || wrong "there are no parameters $PARAMETERS"
    jq -e 'type == "object" and all(.[]; type == "object" and all(.[]; type == "string"))' \
        "$PARAMETERS" >/dev/null 2>&1 ||
        wrong "$PARAMETERS: expected {\"STACK\": {\"NAME\": \"VALUE\"}}, all values as text"
    while read -r stack; do known "$stack"; done < <(jq -r 'keys[]' "$PARAMETERS")
    [ -n "$(wanted_stacks)" ] ||
        wrong "no stack is left: $SET_NAME names $(jq -r 'keys | join(", ")' "$PARAMETERS"), and --only, --from and --to take none of these"
}

# The stacks that this command is about, in order.
wanted_stacks() {
    local stack begun='' named
    [ -z "$FROM" ] && begun=yes
    named=$(jq -r 'keys[]' "$PARAMETERS")
    for stack in "${STACKS[@]}"; do
        [ "$stack" = "$FROM" ] && begun=yes
        if [ -n "$begun" ] && grep -qxF -- "$stack" <<<"$named" &&
            { [ ${#ONLY[@]} -eq 0 ] || among "$stack" "${ONLY[@]}"; }; then
            printf '%s\n' "$stack"
        fi
        [ "$stack" = "$TO" ] && break
    done
    return 0
}
