# What Debian 12 packages are needed for what, and how to have them. Sourced by packaging/quickstart and tests/run.
# shellcheck shell=bash disable=SC2034

packages_build=(gcc libc6-dev cmake ninja-build pkg-config libsodium-dev libmsgpack-dev libmnl-dev libuv1-dev
	libsqlite3-dev libinih-dev libjansson-dev libsystemd-dev libavahi-client-dev libnftables-dev libmicrohttpd-dev)
packages_run=(wireguard-go wireguard-tools iproute2 nftables)
packages_test=(libcmocka-dev python3 python3-msgpack python3-pytest python3-pytest-xdist iputils-ping procps util-linux
	avahi-daemon avahi-utils dbus dnsmasq-base udhcpc prometheus systemd
	scdoc bash-completion zsh fish)
# clang's own packages only recommend the sanitizer runtimes; llvm has the symbolizer.
packages_full=(clang clang-format clang-tidy libclang-rt-14-dev llvm qemu-system-x86 busybox-static cpio kmod xz-utils
	debootstrap dpkg-dev file gzip lintian tinc bird2 musl-tools ansible-core)

packages_bench=(libcmocka-dev python3 python3-msgpack bsdextrautils procps iputils-ping util-linux serf etcd-server etcd-client
	iperf3 tinc avahi-daemon dbus qemu-system-x86 busybox-static cpio kmod xz-utils)

# packages_install NAME...: installs those that are missing, and says so; does nothing when all are there.
packages_install()
{
	local name missing=()

	for name in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "not root, so these packages cannot be installed: ${missing[*]}" >&2
		return 1
	fi
	echo "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q >/dev/null && apt-get install -qy --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}
