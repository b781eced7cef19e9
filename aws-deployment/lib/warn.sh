# What an environment runs without, and should not for long, as its stacks were when they were read.
# shellcheck shell=bash

warn_of_gaps() {
    local description
    description=$(described "$(stack_name 05-alb-autoscaling)")
    ! jq -e 'any(.Parameters[]?; .ParameterKey == "CertificateArn" and .ParameterValue == "")' <<<"$description" >/dev/null ||
        note "WARNING: no certificate, so everything, passwords too, travels in the clear. For more than a lab: --set 05-alb-autoscaling:CertificateArn=arn:aws:acm:…"
    warn_of_silence
}

# Alarms that nobody hears of.
warn_of_silence() {
    local topic confirmed
    topic=$(output_of "$(described "$(stack_name 03.5-sqs-queue)")" AlarmTopicArn)
    [ -n "$topic" ] || return 0
    confirmed=$(call sns list-subscriptions-by-topic --topic-arn "$topic" 2>/dev/null |
        jq '[.Subscriptions[]? | select(.SubscriptionArn | startswith("arn:"))] | length') || return 0
    [ "$confirmed" != 0 ] ||
        note "WARNING: nobody hears of an alarm: its topic has no confirmed subscriber. Confirm AWS's e-mail, or: --set 03.5-sqs-queue:AlarmEmail=you@example.org"
}
