# What a change set would do: made readable, and judged.
# shellcheck shell=bash

# Types whose loss loses data, or makes others forget who we are.
STATEFUL_TYPES='["AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::RDS::DBInstance", "AWS::RDS::DBCluster",
    "AWS::SecretsManager::Secret", "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::DynamoDB::Table",
    "AWS::EFS::FileSystem", "AWS::EC2::Volume"]'

# A change set (standard input) as lines: what is added, modified, replaced, removed, and why.
show_changes() {
    jq -r '
        def why: [.Details[]?.Target | .Name // .Attribute] | unique | join(", ");
        def policy: if .PolicyAction then " [\(.PolicyAction)]" else "" end;
        def mark:
            if .Action == "Add" then "  +  create  "
            elif .Action == "Remove" then "  -  DELETE  "
            elif .Action == "Import" then "  <  import  "
            elif .Replacement == "True" then "  !  REPLACE "
            elif .Replacement == "Conditional" then "  !  may REPLACE"
            else "  ~  change  " end;
        [.Changes[].ResourceChange]
        | sort_by(.Action, .LogicalResourceId)[]
        | "\(mark) \(.LogicalResourceId) (\(.ResourceType))"
          + (why | if . == "" then "" else ": " + . end) + policy'
}

# The parameters that differ from those of the stack, as NAME: OLD → NEW, and those that it did not
# have. AWS hides secret ones.
show_parameters() {
    local stack=$1 parameters=$2 description=$3
    is_whole "$description" || return 0
    jq -r --argjson has "$description" --argjson summary "${SUMMARIES[$stack]}" --argjson present "${PRESENT[$stack]}" '
        def shown: if . == "" then "(empty)" else . end;
        def default($of): [$of.Parameters[]? | {key: .ParameterKey, value: .DefaultValue}] | from_entries;
        ([$has.Parameters[]? | {key: .ParameterKey, value: .ParameterValue}] | from_entries) as $had
        | ([.[] | select(has("ParameterValue")) | {key: .ParameterKey, value: .ParameterValue}] | from_entries) as $given
        | default($present) as $old | default($summary) as $new
        | $summary.Parameters[]? | select(.NoEcho != true).ParameterKey as $key
        | if $had | has($key) | not then
            "     \($key): new, \($given[$key] // $new[$key] // "" | shown)"
          elif $given[$key] != null and $given[$key] != $had[$key] and $had[$key] != "****" then
            "     \($key): \($had[$key] | shown) → \($given[$key] | shown)"
            + (if $had[$key] == $old[$key] and $given[$key] == $new[$key] then " (a new default)" else "" end)
          else empty end' <<<"$parameters"
}

# The stateful resources that a change set (standard input) would replace or delete, one a line.
stateful_losses() {
    jq -r --argjson types "$STATEFUL_TYPES" '
        .Changes[].ResourceChange
        | select(.ResourceType as $type | $types | index($type))
        | select(.Action == "Remove" or (.Replacement // "False") != "False")
        | .LogicalResourceId'
}

# Refuses what would be lost and was not named.
guard_changes() {
    local stack=$1 changes=$2 lost unnamed=()
    while read -r lost; do
        [ -z "$lost" ] && continue
        among "$stack/$lost" "${ALLOWED[@]+"${ALLOWED[@]}"}" || unnamed+=("$stack/$lost")
    done < <(stateful_losses <<<"$changes")
    [ ${#unnamed[@]} -eq 0 ] && return
    note "This would replace or delete what holds data: ${unnamed[*]}"
    note "Nothing was changed. If it is meant, name each: --allow-stateful-replacement ${unnamed[0]}"
    return 1
}
