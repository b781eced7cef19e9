#!/bin/bash
# Sends the role's log to CloudWatch Logs. Amazon Linux 2023 does not bring the agent, and its
# packages are in S3, so this works without a way out of the network. It runs after the role is up:
# nobody waits for it.
set -euo pipefail

settings=/etc/reelfleet/stack.env
setting() { sed -n "s/^$1=//p" "$settings" | tail -n 1; }

[ -x /opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl ] ||
    dnf install --assumeyes --quiet amazon-cloudwatch-agent

config=/opt/aws/amazon-cloudwatch-agent/etc/reelfleet.json
cat >"$config" <<END
{
  "agent": {"region": "$(setting AWS_REGION)", "run_as_user": "cwagent"},
  "logs": {
    "logs_collected": {
      "files": {
        "collect_list": [
          {"file_path": "/var/log/reelfleet/service.log", "log_group_name": "$(setting BOOT_LOG_GROUP)", "log_stream_name": "{instance_id}"}
        ]
      }
    }
  }
}
END
/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c "file:$config"
