#!/bin/sh
# A metric that is the number which a command prints: number_of.sh COMMAND [ARGUMENT...].
set -eu
cat > /dev/null # the request: this plugin needs nothing of it
number=$("$@" < /dev/null)
printf '{"value": %s}\n' "$number"
