#!/bin/sh
# "remove" is dpkg's word, 0 is rpm's; an upgrade leaves the services alone.
set -e
if [ "$1" = remove ] || [ "$1" = 0 ]; then
	if [ -d /run/systemd/system ]; then
		systemctl disable --now tgsession-session.service tgsession-authsession.service || true
	fi
fi
