#!/bin/sh
# Nothing is started: the configuration has to name this cluster's etcd and stores
# first. A node that runs is restarted by its operator, one after the other.
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
