# How AWS is called, and how people are talked to.
# shellcheck shell=bash

# The aws command would show long answers page by page.
export AWS_PAGER=""

# Every call goes through here: one region, one endpoint, one form of answer.
call() {
    aws ${REGION:+--region "$REGION"} ${ENDPOINT:+--endpoint-url "$ENDPOINT"} --output json "$@"
}

say() { printf '%s\n' "$*"; }
note() { printf '%s\n' "$*" >&2; }

# A command as it can be pasted, for the same environment.
again() {
    local words=(./deploy.sh "$1" --environment "$ENVIRONMENT" ${REGION:+--region "$REGION"} ${ENDPOINT:+--endpoint-url "$ENDPOINT"})
    case $1 in plan | up) words+=(--parameters "${SET_NAME:-SET}") ;; esac
    printf '%s' "${words[*]}"
}

# A sentence on standard error, and the end.
fail() {
    note "deploy.sh: $*"
    exit 1
}

# The command line is wrong.
wrong() {
    note "deploy.sh: $*"
    note "deploy.sh --help lists the options."
    exit 2
}

# It would lose data, or something that a person has to do first is missing.
refuse() {
    note "deploy.sh: $*"
    exit 3
}

need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || fail "$program is needed and not installed"
    done
}

# Asks, unless --yes was given. Where nobody can answer, nothing is done.
confirm() {
    local answer
    [ -n "$YES" ] && return
    [ -t 0 ] || fail "$1 There is nobody to ask: say --yes."
    read -r -p "$1 [y/N] " answer
    case $answer in y | Y | yes) ;; *) fail "nothing done" ;; esac
}

# Asks for a name to be typed, for what cannot be undone. --yes is not enough.
typed() {
    local answer
    [ -t 0 ] && [ -z "$YES" ] || return 1
    read -r -p "$1 Type $2 to delete it, anything else keeps it: " answer
    [ "$answer" = "$2" ]
}

# Whether the first word is one of the others.
among() {
    local word=$1 other
    shift
    for other in "$@"; do [ "$word" = "$other" ] && return; done
    return 1
}

# Seconds between two looks: soon at first, as emulators and small changes are quick.
pause_before() {
    local looks=$1
    if [ "$looks" -lt 5 ]; then sleep 1; else sleep 5; fi
}
