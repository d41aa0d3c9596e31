#!/usr/bin/perl
# structure_test.pl - the rules of the house that a machine can check: layers
# from the #include lines, sizes of files and functions, headers that compile
# alone, who may see <lua.h>, and that every error code is documented.
use strict;
use warnings;

# Lowest first; a file may include headers of its own layer or below.
my @layers = (
	base => [qw(core err mem pool log log_line secret conf platform utf8 siphash pattern)],
	services => [qw(loop reaper spawn agent jail cgroup fs envfile fingerprint bw bw_json http1 sock line db)],
	runtime => [qw(vm vm_load lx task overlay bound)],
	bindings => [qw(lua_)],
	front => [qw(server host main colibri stdio_lua agent_shim shim test_agent)],
);
my (%level, @names, $level);
while (my ($name, $stems) = splice(@layers, 0, 2)) {
	push @names, $name;
	$level{$_} = $#names for @$stems;
}

# The stem whose prefix of the file's name is longest decides.
sub level_of {
	my ($file) = @_;
	my $name = $file =~ s{.*/|\.[ch]$}{}gr;
	return $level{lua_} if $name =~ /^lua_/;
	while (1) {
		return $level{$name} if exists $level{$name};
		return undef unless $name =~ s/_[^_]*$//;
	}
}

my $n = 0;
my $failed = 0;
sub report {
	my ($name, @problems) = @_;
	$n++;
	$failed += @problems > 0;
	print @problems ? "not ok" : "ok", " $n - $name\n";
	print "# $_\n" for @problems;
}

sub slurp {
	my ($file) = @_;
	open my $fh, '<', $file or die "$file: $!";
	local $/;
	return scalar <$fh>;
}

my @c = glob 'core/*.c';
my @h = glob 'core/*.h';
my (@up, @lua);
for my $file (@c, @h) {
	my $mine = level_of($file);
	if (!defined $mine) {
		push @up, "$file: belongs to no layer";
		next;
	}
	my $text = slurp($file);
	while ($text =~ /^#include "([^"]+)"/mg) {
		my $theirs = level_of($1);
		if (!defined $theirs) {
			push @up, "$file: includes $1 of no layer";
		} elsif ($theirs > $mine) {
			push @up, "$file ($names[$mine]) includes $1 ($names[$theirs])";
		}
	}
	if ($text =~ /^#include <(lua|lauxlib|lualib)\.h>/m && $names[$mine] !~ /^(runtime|bindings)$/ &&
	    $file !~ m{core/(server\w*|host|stdio_lua)\.[ch]$}) {
		push @lua, "$file includes <$1.h>";
	}
}
report('includes point down the layers', @up);
report('<lua.h> only in the runtime, the bindings and the host', @lua);

# Sizes. A function starts where a line begins with "{" and ends at "}".
my (@long, @functions);
for my $file (@c, @h, glob('lua/*/*.lua'), glob('lua/*/*/*.lua'), glob('hooks/*/*.lua'), glob('scripts/*.lua'),
    glob('scripts/*/*.lua'), glob('tests/*/*.c')) {
	my @lines = split /\n/, slurp($file);
	# What `make docs` writes into lua/meta/ is nobody's to read from end to end.
	push @long, "$file has " . @lines . " lines" if @lines > 500 && $file !~ m{^lua/meta/};
	my ($start, $name);
	for my $i (0 .. $#lines) {
		if ($file =~ /\.c$/) {
			$name = $1 if $lines[$i] =~ /^(\w+)\(/;
			$start = $i if $lines[$i] eq '{';
			if (defined $start && $lines[$i] eq '}') {
				my $size = $i - $start + 1;
				push @functions, "$file: $name has $size lines" if $size > 80;
				undef $start;
			}
		} elsif ($lines[$i] =~ /^(?:local )?function ([\w.:]+)/) {
			($start, $name) = ($i, $1);
		} elsif (defined $start && $lines[$i] eq 'end') {
			my $size = $i - $start + 1;
			push @functions, "$file: $name has $size lines" if $size > 80;
			undef $start;
		}
	}
}
report('files stay under 500 lines', @long);
report('functions stay under 80 lines', @functions);

# Headers compile alone.
my $flags = `pkg-config --cflags lua5.4 2>/dev/null || pkg-config --cflags lua-5.4`;
chomp $flags;
my @alone;
for my $file (@h) {
	my $out = `echo '#include "$file"' | \${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -iquote core -I. $flags -x c -fsyntax-only - 2>&1`;
	push @alone, "$file: " . (split /\n/, $out)[0] if $? != 0;
}
report('each header compiles alone', @alone);

# Every code that C or Lua can produce stands in docs/PROTOCOL.md.
my $protocol = -e 'docs/PROTOCOL.md' ? slurp('docs/PROTOCOL.md') : '';
my %codes;
for my $file (@c, glob('lua/*/*.lua'), glob('lua/*/*/*.lua'), glob('hooks/*/*.lua')) {
	my $text = slurp($file);
	$codes{$1} //= $file while $text =~ /err_(?:set|sys)\(\s*&?[\w>.-]+,\s*"([A-Z]\w+)"/g;
	$codes{$1} //= $file while $text =~ /err\.new\(\s*"([A-Z]\w+)"/g;
	$codes{$1} //= $file while $text =~ /\bcode = "([A-Z]\w+)"/g;
}
my @missing = map { "$_ ($codes{$_})" } grep { $protocol !~ /`\Q$_\E`/ } sort keys %codes;
report('every error code is documented in docs/PROTOCOL.md', @missing);

print "1..$n\n";
exit($failed > 0);
