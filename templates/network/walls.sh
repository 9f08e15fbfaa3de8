#!/bin/sh
# Reads and sets the firewall of the machine of the engine's bridges; see generator/containers/firewall.py.
#   walls.sh read               print the filter rules of IPv4 and IPv6, and the name servers, each after a heading
#   walls.sh set RULES RULES6   apply rules in iptables-restore's format, each text as one transaction; '' for none
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
case "$1" in
read)
    echo "== IPv4"
    iptables -w 10 -S || exit 1
    echo "== IPv6"
    [ ! -e /proc/net/if_inet6 ] || ip6tables -w 10 -S || exit 1
    echo "== resolvers"
    cat /etc/resolv.conf /run/systemd/resolve/resolv.conf 2> /dev/null
    true
    ;;
set)
    [ -z "$2" ] || printf '%s' "$2" | iptables-restore -w 10 --noflush || exit 1
    [ -z "$3" ] || [ ! -e /proc/net/if_inet6 ] || printf '%s' "$3" | ip6tables-restore -w 10 --noflush || exit 1
    ;;
esac
