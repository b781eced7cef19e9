# Takes an environment down, last stack first. What holds data stays, unless it is named.
# shellcheck shell=bash

NEEDED_BY_DATABASE=(01-vpc-networking 03.5-sqs-queue)

command_down() {
    local stack index buckets kept=()
    read_stacks
    buckets=$(buckets_of_stack)
    check_named "$buckets"
    confirm "Delete the stacks of $ENVIRONMENT? What holds data is asked for by name."
    for ((index = ${#STACKS[@]} - 1; index >= 0; index--)); do
        stack=${STACKS[index]}
        down_one "$stack" || kept+=("$stack")
    done
    delete_buckets "$buckets"
    [ ${#kept[@]} -eq 0 ] || say "kept: ${kept[*]}. To delete one as well: $(again down) --delete ${kept[0]}"
}

# That what was named can go, before anything goes.
check_named() {
    local buckets=$1 stack bucket
    for stack in "${DELETE[@]+"${DELETE[@]}"}"; do
        among "$stack" "${NEEDED_BY_DATABASE[@]}" || continue
        ! stays 04-rds-database ||
            refuse "$stack is needed by 04-rds-database; delete that too: --delete 04-rds-database. Nothing was deleted"
    done
    [ ${#DELETE_BUCKETS[@]} -gt 0 ] || return 0
    for bucket in "${DELETE_BUCKETS[@]}"; do
        grep -qxF -- "$bucket" <<<"$buckets" || is_of_environment "$bucket" ||
            refuse "the bucket $bucket is none of $ENVIRONMENT. Nothing was deleted"
    done
    # Somebody who is asked may still say that the stack goes.
    ! { [ -n "$YES" ] || [ ! -t 0 ]; } || ! stays 02-s3-iam ||
        refuse "buckets go after their stack: add --delete 02-s3-iam. Nothing was deleted"
}

# Whether a stack that holds data is there and was not named.
stays() {
    local description
    ! among "$1" "${DELETE[@]+"${DELETE[@]}"}" || return 1
    description=$(described "$(stack_name "$1")")
    case $(status_of "$description") in
        NONE | ROLLBACK_COMPLETE | REVIEW_IN_PROGRESS | CREATE_FAILED | DELETE_IN_PROGRESS) return 1 ;;
    esac
}

# Status 1: it is there and stays.
down_one() {
    local stack=$1 name description status
    name=$(stack_name "$stack")
    description=$(described "$name")
    status=$(status_of "$description")
    case $status in
        NONE) return 0 ;;
        DELETE_IN_PROGRESS) ;;
        REVIEW_IN_PROGRESS) ;;
        *_IN_PROGRESS) fail "$stack: $status. Somebody is at work on it; try again when it is done." ;;
    esac
    if uses "$stack"; then return 1; fi
    if among "$stack" "${STATEFUL_STACKS[@]}" || is_protected "$stack" "$description"; then
        # A creation that failed never held anything.
        case $status in
            ROLLBACK_COMPLETE | REVIEW_IN_PROGRESS | CREATE_FAILED) ;;
            *)
                among "$stack" "${DELETE[@]+"${DELETE[@]}"}" ||
                    typed "$name holds data or is protected." "$stack" || return 1
                ;;
        esac
    fi
    say "$name is deleted"
    case $stack in
        05-* | 06-*) empty_group_of "$stack" ;;
        04-*) open_database ;;
    esac
    ! jq -e .EnableTerminationProtection <<<"$description" >/dev/null ||
        call cloudformation update-termination-protection --no-enable-termination-protection \
            --stack-name "$name" >/dev/null || fail "$stack: its protection cannot be switched off"
    delete_and_wait "$stack" "$name" "$description"
    [ "$stack" != 04-rds-database ] || tell_snapshot
}

# Whether a stack that stays still needs this one; CloudFormation would refuse to delete it. It is
# asked for anew, as it may have gone since.
uses() {
    local description
    among "$1" "${NEEDED_BY_DATABASE[@]}" || return 1
    description=$(describe "$(stack_name 04-rds-database)") || exit 1
    [ "$(status_of "$description")" != NONE ]
}

is_protected() {
    jq -e '.EnableTerminationProtection == true
        or any(.Parameters[]?; .ParameterKey == "AlbDeletionProtection" and .ParameterValue == "true")' \
        <<<"$2" >/dev/null
}

# CloudFormation itself would wait for protected instances without an end.
empty_group_of() {
    local groups balancer
    case $1 in 05-*) GROUPS_OF_FLEET=(api) ;; 06-*) GROUPS_OF_FLEET=(workers) ;; esac
    groups=$(groups_json) || fail "the group cannot be read"
    empty_groups "$groups"
    [[ $1 == 05-* ]] || return 0
    balancer=$(call cloudformation describe-stack-resource --stack-name "$(stack_name "$1")" \
        --logical-resource-id LoadBalancer 2>/dev/null | jq -r '.StackResourceDetail.PhysicalResourceId // empty') || true
    [ -z "$balancer" ] || call elbv2 modify-load-balancer-attributes --load-balancer-arn "$balancer" \
        --attributes Key=deletion_protection.enabled,Value=false >/dev/null ||
        fail "the load balancer's protection cannot be switched off"
}

# A database that is stopped makes no last snapshot, and one that is protected is not deleted.
open_database() {
    DATABASE=$(database_id)
    [ -n "$DATABASE" ] || return 0
    start_database asked
    call rds modify-db-instance --db-instance-identifier "$DATABASE" --no-deletion-protection \
        --apply-immediately >/dev/null || fail "the database's protection cannot be switched off"
}

tell_snapshot() {
    local snapshot
    [ -n "${DATABASE:-}" ] || return 0
    snapshot=$(call rds describe-db-snapshots --db-instance-identifier "$DATABASE" 2>/dev/null |
        jq -r '[.DBSnapshots[]?] | sort_by(.SnapshotCreateTime) | last | .DBSnapshotIdentifier // empty') || true
    [ -z "$snapshot" ] ||
        say "its last snapshot stays: $snapshot. A new database begins with it by: --set 04-rds-database:SnapshotId=$snapshot"
}

delete_and_wait() {
    local stack=$1 name=$2 id answer
    # By its id, as one that is deleted has no name any more.
    id=$(jq -r '.StackId // empty' <<<"$3")
    [ -n "$id" ] || return 0
    answer=$(call cloudformation delete-stack --stack-name "$name" 2>&1) || fail "$stack: AWS refuses: $answer"
    wait_for_stack "$id" 60
    case $STATUS in
        DELETE_COMPLETE | NONE) ;;
        *)
            show_failures "$id"
            fail "$stack: $STATUS. Mend what is named above and run this again."
            ;;
    esac
}

# The buckets that stack 02 has made; they outlive it.
buckets_of_stack() {
    call cloudformation list-stack-resources --stack-name "$(stack_name 02-s3-iam)" 2>/dev/null |
        jq -r '.StackResourceSummaries[] | select(.ResourceType == "AWS::S3::Bucket").PhysicalResourceId' || true
}

# Buckets that were named; each must be one of this environment.
delete_buckets() {
    local of_stack=$1 bucket description kept=''
    description=$(describe "$(stack_name 02-s3-iam)") || exit 1
    if [ "$(status_of "$description")" != NONE ]; then
        [ ${#DELETE_BUCKETS[@]} -eq 0 ] || fail "buckets go after their stack: add --delete 02-s3-iam"
        return
    fi
    for bucket in "${DELETE_BUCKETS[@]+"${DELETE_BUCKETS[@]}"}"; do
        grep -qxF -- "$bucket" <<<"$of_stack" || is_of_environment "$bucket" ||
            fail "the bucket $bucket is none of $ENVIRONMENT"
        delete_bucket "$bucket"
    done
    for bucket in $of_stack; do
        among "$bucket" "${DELETE_BUCKETS[@]+"${DELETE_BUCKETS[@]}"}" && continue
        if typed "The bucket $bucket is still there." "$bucket"; then delete_bucket "$bucket"; else kept+=" $bucket"; fi
    done
    [ -z "$kept" ] || say "buckets that stay, with all that is in them:$kept"
}

is_of_environment() {
    call s3api get-bucket-tagging --bucket "$1" 2>/dev/null |
        jq -e --arg environment "$ENVIRONMENT" \
            'any(.TagSet[]; .Key == "Environment" and .Value == $environment)' >/dev/null
}

# With every version of everything, a thousand at a time.
delete_bucket() {
    local bucket=$1 batch answer
    say "the bucket $bucket is emptied and deleted"
    while :; do
        batch=$(call s3api list-object-versions --bucket "$bucket" --max-items 1000 |
            jq -c '{Objects: [(.Versions[]?, .DeleteMarkers[]?) | {Key, VersionId}], Quiet: true}') ||
            fail "$bucket cannot be listed"
        [ "$(jq '.Objects | length' <<<"$batch")" -gt 0 ] || break
        # By a file: a thousand long names are more than an argument may be.
        printf '%s' "$batch" >"$SCRATCH/batch.json"
        # Without errors there is no answer at all.
        answer=$(call s3api delete-objects --bucket "$bucket" --delete "file://$SCRATCH/batch.json") &&
            jq -e '.Errors | length == 0' <<<"${answer:-"{}"}" >/dev/null || fail "$bucket cannot be emptied"
    done
    call s3api delete-bucket --bucket "$bucket" || fail "$bucket cannot be deleted"
}
