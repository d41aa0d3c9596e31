#!/bin/sh
# check-vm.sh [TEST...] - what a container cannot do: tests in a virtual machine
# with systemd, cgroups (v2) and systemd-nspawn. See tests/README.md.
#
# Debian of SUITE (bookworm) from its packages, made once below build/vm/, with
# the tree built in it; each run boots it anew, and nothing of a run stays. KVM
# where a kernel starts with it (ACCEL=kvm or tcg to say so), else emulated. Exit
# status 77: it cannot be had here.
set -eu

cd "$(dirname "$0")/.."
suite=${SUITE:-bookworm}
mirror=${MIRROR:-http://deb.debian.org/debian}
dir=build/vm/$suite
packages=systemd,systemd-sysv,systemd-container,dbus,udev,kmod,linux-image-cloud-amd64,initramfs-tools,gcc,\
libc6-dev,make,pkg-config,liblua5.4-dev,libevent-dev,libsqlite3-dev,lua-cjson,bubblewrap,perl,procps,sqlite3,\
strace,util-linux

say() {
	echo "check-vm: $*" >&2
}

cannot() {
	say "skipped: $*"
	exit 77
}

# have PROGRAM PACKAGE: there, or installed now.
have() {
	PATH=$PATH:/usr/sbin:/sbin
	command -v "$1" >/dev/null && return
	command -v apt-get >/dev/null || cannot "no $1 here, and no apt-get"
	say "installing $2"
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$2" >&2 || {
		apt-get update -q >&2 || :
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$2" >&2
	} || cannot "apt-get cannot install $2"
}

# The machine's own service: unpack the tree, run the tests, say all on the
# second serial port, and switch off.
write_service() {
	cat >"$1/etc/systemd/system/colibri-check.service" <<'END'
[Unit]
Description=the tests of colibri
After=multi-user.target dev-ttyS1.device
[Service]
Type=oneshot
Environment=HOME=/root
ExecStart=/bin/sh -c 'mkdir /colibri && tar xf /dev/vdb -C / && exec sh /colibri/tests/vm/guest.sh'
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
TimeoutStartSec=infinity
END
	mkdir -p "$1/etc/systemd/system/default.target.wants"
	ln -s ../colibri-check.service "$1/etc/systemd/system/default.target.wants/"
	echo colibri-vm >"$1/etc/hostname"
}

make_image() {
	say "making $dir: Debian $suite, some minutes"
	rm -rf "$dir"
	mkdir -p "$dir"
	debootstrap --variant=minbase --include="$packages" "$suite" "$dir/root" "$mirror" >"$dir/debootstrap.log" 2>&1 ||
		cannot "debootstrap failed: $dir/debootstrap.log"
	write_service "$dir/root"
	cp "$dir"/root/boot/vmlinuz-* "$dir/kernel"
	cp "$dir"/root/boot/initrd.img-* "$dir/initrd"
	mke2fs -q -F -t ext4 -d "$dir/root" "$dir/disk" 4G
	: >"$dir/made"
}

# The tree as it stands, built with the machine's own compiler and libraries.
build_tree() {
	mkdir -p "$dir/root/colibri"
	git ls-files -co --exclude-standard | tar cf - -T - | tar xf - -C "$dir/root/colibri"
	printf '%s\n' "$@" >"$dir/root/colibri/tests/vm/list"
	chroot "$dir/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin make -s -j2 -C /colibri all >&2
	tar cf "$dir/tree" -C "$dir/root" colibri
}

# machine SECONDS ACCEL [ARG...]
machine() {
	seconds=$1 accel=$2
	shift 2
	timeout "$seconds" qemu-system-x86_64 -machine q35 -accel "$accel" -cpu max -m 1536 -nodefaults -no-user-config \
	    -display none -monitor none -no-reboot -kernel "$dir/kernel" "$@" </dev/null >&2
}

boot() {
	rm -f "$dir/result"
	machine "${TIMEOUT:-1800}" "$1" -smp 2 -initrd "$dir/initrd" -append "root=/dev/vda rw console=ttyS0 quiet panic=-1" \
	    -drive "file=$dir/disk,format=raw,if=virtio,snapshot=on" -drive "file=$dir/tree,format=raw,if=virtio,readonly=on" \
	    -serial "file:$dir/console" -serial "file:$dir/result" -device virtio-rng-pci
}

# Nested KVM may be there and stand still: does a kernel come as far as the panic
# of having no root, and so end?
accelerator() {
	if [ -n "${ACCEL:-}" ]; then
		echo "$ACCEL"
	elif [ -w /dev/kvm ] && machine 20 kvm -append "console=ttyS0 panic=-1" -serial null 2>/dev/null; then
		echo kvm
	else
		echo tcg
	fi
}

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || cannot "Linux on amd64 only"
[ "$(id -u)" = 0 ] || cannot "debootstrap needs root"
have debootstrap debootstrap
have qemu-system-x86_64 qemu-system-x86
have mke2fs e2fsprogs
[ -e "$dir/made" ] || make_image
build_tree "$@"
[ -e "$dir/accel" ] || accelerator >"$dir/accel"
how=${ACCEL:-$(cat "$dir/accel")}
say "booting ($how)"
boot "$how" || say "the machine ended with status $?; its console: $dir/console"
tr -d '\r' <"$dir/result"
grep -q '^check-vm: pass' "$dir/result"
