# shellcheck shell=sh
# The DNS server of the test network: names under lab.test have addresses, those under search.test do not exist. To be
# sourced.
# shellcheck disable=SC2154  # variables of the sourcing scripts

# serve_names ADDRESSES PID-FILE    starts dnsmasq in the server's namespace; it daemonizes once it listens
serve_names() {
	# "extra" logs the client in every line; it needs dnsmasq 2.73, CentOS 7.0 has 2.66.
	log_queries=--log-queries=extra
	dnsmasq --test --conf-file=/dev/null "$log_queries" 2>/dev/null || log_queries=--log-queries
	ip netns exec lab-server dnsmasq --conf-file=/dev/null --user=root --no-resolv --no-hosts --local-ttl=0 \
		--listen-address="$1" --bind-interfaces --pid-file="$2" \
		--address="/lab.test/$server" --address=/lab.test/fd00::53 --local=/search.test/ \
		"$log_queries" --log-facility="$run/dnsmasq.log"
}
