#!/bin/bash
# Runs Envoy, and on SIGTERM or SIGINT lets open requests end first: Envoy by itself cuts them.
#
#   bash run.sh OPTION...      Envoy's own options
#
# DRAIN_S: how long they may take in all, as `drain` in gateway.yaml. ADMIN: its `admin`. ENVOY: the program.
# A second signal ends it at once.
set -u
drain_s=${DRAIN_S:-15}
admin=${ADMIN:-127.0.0.1:9901}

ask() { # METHOD PATH; bash itself dials, so that nothing else has to be there
  exec 3<>"/dev/tcp/${admin%:*}/${admin##*:}" || return
  printf '%s %s HTTP/1.1\r\nhost: admin\r\ncontent-length: 0\r\nconnection: close\r\n\r\n' "$1" "$2" >&3
  cat <&3
  exec 3>&-
}

drain() {
  trap 'drain_s=0' TERM INT
  ask POST /healthcheck/fail
  ask POST '/drain_listeners?graceful'
  for ((tenth = 0; tenth < drain_s * 10; tenth++)); do
    open=$(ask GET '/stats?filter=^http\.ingress\.downstream_rq_active$')
    [[ $open == *"rq_active: "[1-9]* ]] || break
    sleep 0.1
  done
  kill -TERM "$envoy"
} &>/dev/null

"${ENVOY:-envoy}" --disable-hot-restart --drain-strategy immediate --drain-time-s "$drain_s" "$@" &
envoy=$!
trap drain TERM INT
wait "$envoy" # until it has ended, or a signal has been seen to
wait "$envoy" # its own exit code
