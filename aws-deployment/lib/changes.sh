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

# The parameters that differ from those of the stack, as NAME: OLD → NEW. AWS hides secret ones.
show_parameters() {
    jq -r --argjson has "$2" '
        ([$has.Parameters[]? | {key: .ParameterKey, given: .ParameterValue}]) as $had
        | .[] | select(has("ParameterValue")) | . as $new
        | $had[] | select(.key == $new.ParameterKey and .given != $new.ParameterValue and .given != "****")
        | "     \(.key): \(if .given == "" then "(empty)" else .given end) → \(if $new.ParameterValue == "" then "(empty)" else $new.ParameterValue end)"' <<<"$1"
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
