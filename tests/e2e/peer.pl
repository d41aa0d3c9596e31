#!/usr/bin/perl
# peer.pl SOCKET OP... - a client that does to the daemon what no client of ours
# would, for protocol_test.lua and peers_test.lua. Standard input is what is sent.
#
#	send	all of it		bytes	all of it, one byte per write
#	half	say that no more comes	read	copy to standard output until the end
#	flood	send it over and over until nothing is taken for a second
#	stay	do nothing, reading nothing, until killed
#	close	close at once
#
# What the daemon does not take any more (EPIPE) is no failure. At most 60 s.
use strict;
use warnings;
use Fcntl;
use IO::Select;
use IO::Socket::UNIX;

$SIG{PIPE} = 'IGNORE';
alarm 60;

my ($path, @ops) = @ARGV;
my $sock = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path) or die "$path: $!\n";
my $data = do { local $/; <STDIN> } // '';

sub put
{
	my ($bytes, $step) = @_;
	my $at = 0;

	while ($at < length $bytes) {
		my $n = syswrite($sock, $bytes, $step // (length($bytes) - $at), $at);
		return unless defined $n;
		$at += $n;
	}
}

my %do = (
	send => sub { put($data) },
	bytes => sub { put($data, 1) },
	half => sub { shutdown($sock, 1) },
	read => sub {
		my $buf;
		while (sysread($sock, $buf, 65536)) {
			print $buf;
		}
	},
	flood => sub {
		my ($sent, $at) = (0, 0);
		my $writable = IO::Select->new($sock);
		fcntl($sock, F_SETFL, O_NONBLOCK) or die "fcntl: $!\n";
		while ($sent < 64 << 20 && $writable->can_write(1)) {
			my $n = syswrite($sock, $data, length($data) - $at, $at);
			next if !defined $n && $!{EAGAIN};
			last unless defined $n;
			$sent += $n;
			$at = ($at + $n) % length $data;
		}
		syswrite(STDOUT, "$sent\n");
	},
	stay => sub {
		sleep 1 while 1;
	},
	close => sub { close $sock },
);

for my $op (@ops) {
	($do{$op} or die "no such op: $op\n")->();
}
