#!/usr/bin/perl
# swapper.pl DIR A B [A B ...] - a hostile tenant for tests: enters DIR and
# exchanges each pair of names (absolute, or relative to the directory it is in,
# wherever that moves) as fast as it can, until its parent is gone.
use strict;
use warnings;
require POSIX;

# renameat2(2) with RENAME_EXCHANGE, which never leaves a name missing.
my %number = (x86_64 => 316, aarch64 => 276);
my $nr = $number{(POSIX::uname())[4]} or die "swapper: no renameat2 here\n";
chdir shift @ARGV or die "swapper: $!\n";

my $parent = getppid();
my $round = 0;
while (1) {
	my @pairs = @ARGV;
	while (my ($from, $to) = splice(@pairs, 0, 2)) {
		syscall($nr, -100, $from, -100, $to, 2);
	}
	exit 0 if (++$round & 1023) == 0 && getppid() != $parent;
}
