#!/bin/bash
# Makes a fresh instance of Amazon Linux 2023 an API or a worker: boot.sh api|worker
#
# The user data of stacks 05 and 06 has unpacked the release to /opt/reelfleet and written
# /etc/reelfleet/stack.env; the contract is told there. Nothing is installed before the role is up:
# what the AMI lacks is in the release. Every step tells the seconds since the kernel started, in
# /var/log/cloud-init-output.log.
set -Eeuo pipefail

role=${1:?api or worker}
here=/opt/reelfleet
settings=/etc/reelfleet/stack.env

step() { printf 'boot: %6.1f s  %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*"; }

setting() { sed -n "s/^$1=//p" "$settings" | tail -n 1; }

# Tells the stack how it went, once. An instance that the group started by itself is waited for by
# nobody, and is told so.
signal() {
    local code=$1 reason=$2 stack resource region
    trap - ERR
    stack=$(setting BOOT_STACK)
    resource=$(setting BOOT_RESOURCE)
    region=$(setting AWS_REGION)
    if [ -x /opt/aws/bin/cfn-signal ]; then
        timeout 60 /opt/aws/bin/cfn-signal --exit-code "$code" --reason "$reason" \
            --stack "$stack" --resource "$resource" --region "$region" ||
            step "nobody waits for a signal"
    else
        timeout 60 aws cloudformation signal-resource --region "$region" --stack-name "$stack" \
            --logical-resource-id "$resource" --unique-id "$(instance_id)" \
            --status "$([ "$code" = 0 ] && echo SUCCESS || echo FAILURE)" ||
            step "nobody waits for a signal"
    fi
}

instance_id() {
    local metadata=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254} token
    token=$(curl -fsS --max-time 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/latest/api/token")
    curl -fsS --max-time 5 -H "X-aws-ec2-metadata-token: $token" "$metadata/latest/meta-data/instance-id"
}

# A failed boot says why where people look first: in the events of the stack.
failed() {
    trap - ERR
    local why=$1 said
    said=$(journalctl --unit "reelfleet-$role" --lines 3 --output cat --no-pager 2>/dev/null | tail -c 600 | tr '\n"' " '") || said=''
    step "failed: $why $said"
    systemctl start --no-block "reelfleet-journal@$role" reelfleet-agent || true
    signal 1 "boot of the $role failed: $why $said"
    give_up
}

# Outside of a stack operation nobody ends an instance that failed, and it would be counted for ever. So it
# ends itself (the launch template makes a shutdown its end), and the group starts another one. Not at
# once: somebody may want to read its log (`shutdown -c` keeps it), and tries need a pause between them.
give_up() {
    shutdown -h +10 "the boot of the $role failed" || step "it cannot be shut down"
    exit 1
}

account() {
    getent passwd reelfleet >/dev/null ||
        useradd --system --user-group --home-dir /var/lib/reelfleet --no-create-home --shell /sbin/nologin reelfleet
}

# The sandbox around ffmpeg is made of namespaces, by a user without rights.
namespaces() {
    local most=/proc/sys/user/max_user_namespaces
    [ "$(cat $most 2>/dev/null || echo 1)" != 0 ] || echo 15000 >$most
}

# How long an API that leaves waits for its uploads: a little less than the load balancer does.
upload_drain() {
    local cut
    cut=$(setting BOOT_UPLOAD_DRAIN_SECONDS)
    echo $((${cut:-40} - 10))
}

# What systemd hands to the role: everything but what is for boot.sh.
service_settings() {
    {
        grep -v -e '^BOOT_' -e '^#' -e '^$' "$settings"
        echo "WORK_DIR=/var/lib/reelfleet/work"
        [ "$role" != api ] || echo "DRAIN_UPLOADS_SECONDS=$(upload_drain)"
    } >/etc/reelfleet/service.env
    chmod 600 /etc/reelfleet/service.env
}

# The journal takes up to a tenth of the disk, if nobody says less.
journal() {
    install -d -m 755 /etc/systemd/journald.conf.d
    printf '[Journal]\nSystemMaxUse=200M\n' >/etc/systemd/journald.conf.d/reelfleet.conf
    systemctl try-restart systemd-journald
}

units() {
    local drain stop
    install -d -m 755 "/etc/systemd/system/reelfleet-$role.service.d"
    install -m 644 "$here/instance/reelfleet-$role.service" "$here/instance/reelfleet-journal@.service" \
        "$here/instance/reelfleet-agent.service" /etc/systemd/system/
    # Longer than the role itself takes to leave: the drain, and to hand back and to tell; a worker that
    # meets a database that is away needs a lease (30 s) for the one, and 30 s for the other.
    case $role in
        worker) drain=$(setting DRAIN_SECONDS) && stop=$((${drain:-25} + 80)) ;;
        *) drain=$(upload_drain) && stop=$((drain + 60)) ;;
    esac
    printf '[Service]\nTimeoutStopSec=%s\n' "$stop" >"/etc/systemd/system/reelfleet-$role.service.d/stop.conf"
    systemctl daemon-reload
}

# An API is up when it can take an upload, a worker when it takes jobs. All of the journal is read:
# with pipefail, who stops at the first match makes journalctl fail, and so what is found not found.
is_up() {
    case $role in
        api) "$here/bin/reelfleet" healthcheck --url http://127.0.0.1:8080 >/dev/null 2>&1 ;;
        worker)
            systemctl is-active --quiet reelfleet-worker &&
                journalctl --unit reelfleet-worker --boot --output cat --no-pager | grep 'takes jobs' >/dev/null
            ;;
    esac
}

# An instance that is not up after so many seconds is reported.
wait_until_up() {
    local patience until
    patience=$(setting BOOT_PATIENCE_SECONDS)
    until=$((SECONDS + ${patience:=480}))
    until is_up; do
        [ $SECONDS -lt $until ] || failed "it is not up after $patience s:"
        sleep 1
    done
}

case $role in api | worker) ;; *) echo "boot.sh api|worker" >&2 && exit 2 ;; esac
trap 'failed "line $LINENO of boot.sh"' ERR
step "release $(cat "$here/VERSION"), role $role"
[ -r "$settings" ] || { echo "there is no $settings" >&2 && give_up; }
account
namespaces
journal
service_settings
units
step "starting"
# It comes back after a restart of the instance, with secrets fetched anew.
systemctl enable --quiet "reelfleet-$role" "reelfleet-journal@$role" reelfleet-agent
systemctl start --no-block "reelfleet-$role"
wait_until_up
step "up"
signal 0 "the $role is up"
step "signalled"
systemctl start --no-block "reelfleet-journal@$role" reelfleet-agent
