#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
#
# The scoring rules of conlleval, written slowly and plainly, to compare moe_score and data/chunks with.
#
#   score_oracle.pl report [-d REGEX] [-o TAG] [-r] [-l] < FILE    report on stdout, errors on stderr, exit code
#   score_oracle.pl file SEED SENTENCES                            a large random file on stdout
#   score_oracle.pl cases SEED N                                   N random files with options and answers:
#        a line `bytes-in bytes-out exit raw latex outside delimiter`, then the input, then what it must give
use strict;
use warnings;

binmode STDIN;
binmode STDOUT;

# Which pairs "before|this" of prefixes end and start a chunk, whatever the types.
my %ends   = map { $_ => 1 } qw(B|B B|O I|B I|O E|E E|I E|O);
my %starts = map { $_ => 1 } qw(B|B I|B O|B O|I E|I E|E O|E);

sub fatal { my ($code, $text) = @_; die { code => $code, text => $text }; }

sub parts {
    my ($tag) = @_;
    my $at = index($tag, '-');
    my ($prefix, $type) = $at < 0 ? ($tag, '') : (substr($tag, 0, $at), substr($tag, $at + 1));
    return { prefix => $prefix, type => $type ? $type : '' };
}

sub is_end {
    my ($p, $t) = @_;
    return 1 if $ends{"$p->{prefix}|$t->{prefix}"};
    return 1 if $p->{prefix} eq '[' || $p->{prefix} eq ']';
    return 1 if $p->{prefix} ne 'O' && $p->{prefix} ne '.' && $p->{type} ne $t->{type};
    return 0;
}

sub is_start {
    my ($p, $t) = @_;
    return 1 if $starts{"$p->{prefix}|$t->{prefix}"};
    return 1 if $t->{prefix} eq '[' || $t->{prefix} eq ']';
    return 1 if $t->{prefix} ne 'O' && $t->{prefix} ne '.' && $p->{type} ne $t->{type};
    return 0;
}

# The lines of a text as rows {gold, guess, token?}.
sub rows {
    my ($text, $option) = @_;
    my $norm = 0;
    my @rows;
    my @lines = split /\n/, $text, -1;
    pop @lines if @lines && $lines[-1] eq '';
    for my $line (@lines) {
        my @field = split /$option->{delimiter}/, $line;
        $norm ||= @field;
        fatal(1, sprintf("unexpected number of features: %d (%d)\n", scalar @field, $norm))
            if @field && @field != $norm;
        if (!@field || $field[0] eq '-X-') {
            push @rows, { gold => parts('O'), guess => parts('O'), token => 0 };
            next;
        }
        fatal(255, "conlleval: unexpected number of features in line $line\n") if @field < 2;
        my ($gold, $guess) = @field[-2, -1];
        if ($option->{raw}) {
            for ($gold, $guess) {
                $_ = 'O' if $_ eq $option->{outside};
                $_ = "B-$_" if $_ ne 'O';
            }
        }
        push @rows, { gold => parts($gold), guess => parts($guess), token => 1 };
    }
    return @rows;
}

sub rates {
    my ($correct, $guessed, $gold) = @_;
    my $p = $guessed ? 100 * $correct / $guessed : 0;
    my $r = $gold ? 100 * $correct / $gold : 0;
    return ($p, $r, $p + $r > 0 ? 2 * $p * $r / ($p + $r) : 0);
}

sub report {
    my ($text, $option) = @_;
    my @rows = rows($text, $option);
    my (%n, %correct, %gold, %guessed);
    $n{$_} = 0 for qw(token right correct gold guessed);
    my $inside = 0;
    my $before = { gold => parts('O'), guess => parts('O') };
    for my $row (@rows) {
        my %end = map { $_ => is_end($before->{$_}, $row->{$_}) } qw(gold guess);
        my %start = map { $_ => is_start($before->{$_}, $row->{$_}) } qw(gold guess);
        my $alike = $row->{gold}{type} eq $row->{guess}{type};
        if ($inside) {
            if ($end{gold} && $end{guess} && $before->{gold}{type} eq $before->{guess}{type}) {
                $n{correct}++;
                $correct{ $before->{gold}{type} }++;
                $inside = 0;
            } elsif ($end{gold} != $end{guess} || !$alike) {
                $inside = 0;
            }
        }
        $inside = 1 if $start{gold} && $start{guess} && $alike;
        if ($start{gold}) { $n{gold}++; $gold{ $row->{gold}{type} }++; }
        if ($start{guess}) { $n{guessed}++; $guessed{ $row->{guess}{type} }++; }
        if ($row->{token}) {
            $n{token}++;
            $n{right}++ if $alike && $row->{gold}{prefix} eq $row->{guess}{prefix};
        }
        $before = $row;
    }
    if ($inside) { $n{correct}++; $correct{ $before->{gold}{type} }++; }

    my @types;
    for my $type (sort(keys %gold, keys %guessed)) {
        push @types, $type unless @types && $types[-1] && $types[-1] eq $type;
    }
    my @all = rates(@n{qw(correct guessed gold)});
    my %rates = map { $_ => [ rates($correct{$_} || 0, $guessed{$_} || 0, $gold{$_} || 0) ] } @types;
    my $out = '';
    if ($option->{latex}) {
        $out .= '          & Precision &  Recall  & F$_{\beta=1} ' . '\\\\' . '\hline';
        $out .= sprintf "\n%-7s &  %6.2f\\%% & %6.2f\\%% & %6.2f \\\\", $_, @{ $rates{$_} } for @types;
        $out .= '\hline' . "\n";
        $out .= sprintf "Overall &  %6.2f\\%% & %6.2f\\%% & %6.2f \\\\\\hline\n", @all;
        return $out;
    }
    $out .= sprintf "processed %d tokens with %d phrases; found: %d phrases; correct: %d.\n",
        @n{qw(token gold guessed correct)};
    $out .= sprintf "accuracy: %6.2f%%; precision: %6.2f%%; recall: %6.2f%%; FB1: %6.2f\n",
        100 * $n{right} / $n{token}, @all if $n{token};
    $out .= sprintf "%17s: precision: %6.2f%%; recall: %6.2f%%; FB1: %6.2f  %d\n", $_,
        @{ $rates{$_} }, $guessed{$_} || 0 for @types;
    return $out;
}

# ---- random files

sub pick { return $_[ int rand @_ ]; }

my @worlds = (
    { prefix => [qw(B I)], type => [qw(PER LOC)], odd => 0 },                   # IOB
    { prefix => [qw(B I)], type => [qw(PER LOC ORG MISC)], odd => 0 },
    { prefix => [qw(I E)], type => [qw(PER LOC)], odd => 0 },                   # IOE
    { prefix => [qw(B I E S)], type => [qw(PER LOC)], odd => 0 },               # IOBES
    { prefix => [qw([ ] I)], type => [qw(NP VP)], odd => 0 },                   # brackets
    { prefix => [qw(B I E O . S [ ] X o b), ''], type => [qw(A B-c creative-work 0 00 -), ''], odd => 5 },
    { prefix => [qw(B I O .)], type => [qw(X Y 0), ''], odd => 10 },
    { prefix => [qw(B I)], type => ["PER\r", "\xc3\xa9t\xc3\xa9", "PER", "a_very_long_name_of_a_type"], odd => 2 },
);

sub random_tag {
    my ($world) = @_;
    return pick(qw(O o . B I E - -- 0 B-0 I-0 -X- B- I- O-PER S [ ] .-X), "\r", "O\r") if rand(100) < $world->{odd};
    return 'O' if rand() < 0.45;
    return pick(@{ $world->{prefix} }) . '-' . pick(@{ $world->{type} });
}

# Tags that follow each other as they do in real files, or anyhow.
sub random_text {
    my ($delimiter, $n, $trouble) = @_;
    my $world = pick(@worlds);
    my ($columns, $agree) = (pick(2, 2, 3, 3, 4), pick(0.3, 0.7, 0.95, 1));
    my ($out, $gold, $guess) = ('', 'O', 'O');
    for (1 .. $n) {
        if (rand() < 0.15) {
            my $x = join $delimiter, '-X-', ('x') x ($columns - 1);
            $out .= pick('', '', '', $delimiter x int(rand 4), $x) . "\n";
            next;
        }
        $gold = random_tag($world) unless $gold =~ /^[BI]-(.+)/ && rand() < 0.4 && ($gold = "I-$1");
        $guess = rand() < $agree ? $gold : random_tag($world);
        my @field = ((map { pick('w', 'the', '', '#', '-X-x', '-DOCSTART-', '-X-') } 3 .. $columns), $gold, $guess);
        pop @field if rand(100) < $trouble;
        push @field, 'more' if rand(100) < $trouble;
        @field = @field[0 .. 0] if rand(100) < $trouble;
        $out .= join($delimiter, @field) . (rand() < 0.05 ? $delimiter : '') . "\n";
    }
    chomp $out if rand() < 0.3;
    return $out;
}

sub answer {
    my ($text, $option) = @_;
    my $out = eval { report($text, $option) };
    return (0, $out) unless $@;
    die $@ unless ref $@;
    return ($@->{code}, $@->{text});
}

my $mode = shift @ARGV // '';
if ($mode eq 'report') {
    my %option = (delimiter => ' ', outside => 'O', raw => 0, latex => 0);
    while (@ARGV) {
        my $name = shift @ARGV;
        if    ($name eq '-d') { $option{delimiter} = shift @ARGV; }
        elsif ($name eq '-o') { $option{outside} = shift @ARGV; }
        elsif ($name eq '-r') { $option{raw} = 1; }
        elsif ($name eq '-l') { $option{latex} = 1; }
        else                  { die "unknown option $name\n"; }
    }
    my ($code, $text) = answer(do { local $/; <STDIN> // '' }, \%option);
    if ($code) { print STDERR $text; exit $code; }
    print $text;
} elsif ($mode eq 'file') {
    my ($seed, $n) = @ARGV;
    srand $seed;
    for (1 .. $n) {
        my $world = pick(@worlds);
        for (1 .. 1 + rand 20) {
            my $gold = random_tag($world);
            my $guess = rand() < 0.8 ? $gold : random_tag($world);
            print "word $gold $guess\n" if length $guess;
        }
        print "\n";
    }
} elsif ($mode eq 'cases') {
    my ($seed, $n) = @ARGV;
    srand $seed;
    for (1 .. $n) {
        my $tab = rand() < 0.2;
        my %option = (
            delimiter => $tab ? '\t' : ' ',
            raw => rand() < 0.15 ? 1 : 0,
            latex => rand() < 0.15 ? 1 : 0,
            outside => pick('O', 'O', 'B-PER', 'I-LOC'),
        );
        my $text = random_text($tab ? "\t" : ' ', int(rand 40), pick(0, 0, 0, 1));
        my ($code, $out) = answer($text, \%option);
        printf "%d %d %d %d %d %s %s\n", length $text, length $out, $code, $option{raw}, $option{latex},
            $option{outside}, $tab ? '\t' : '_';
        print $text, $out;
    }
} else {
    die "usage: score_oracle.pl report|file|cases ...\n";
}
