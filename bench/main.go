// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Command bench measures what the gate costs: the same Caddy proxies the same requests to the same application, with and without
// nightlatch in its configuration, and the same nginx with and without asking it, turn by turn. It says nothing of requests per second as such, which are those of the machine and of
// the hour; what counts is one column divided by another, round by round. README.md tells how to read it.
//
//	go run ./bench
//
// It builds the binary, works in a temporary directory, listens on loopback only, takes about three minutes and cleans up after itself.
// main.go holds the columns and the rounds, site.go what is measured, nginx.go the same behind nginx, load.go the client, process.go the
// other processes, report.go the arithmetic.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	rounds      int
	duration    time.Duration
	pause       time.Duration
	connections int
	profile     string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "how many rounds")
	flag.DurationVar(&o.duration, "duration", 3*time.Second, "how long each column is measured in a round")
	flag.DurationVar(&o.pause, "pause", 0, "rest between rounds, for a machine that others use too")
	flag.IntVar(&o.connections, "connections", 32, "keep-alive connections of the client")
	flag.StringVar(&o.profile, "profile", "", "afterwards write a CPU profile of each column into this directory")
	upstream := flag.Bool("upstream", false, "be the application; the comparison starts this itself")
	flag.Parse()
	if *upstream {
		serveUpstream()
		return
	}
	if flag.NArg() > 0 || o.rounds < 1 || o.duration < 100*time.Millisecond || o.connections < 1 || o.pause < 0 {
		flag.Usage()
		os.Exit(2)
	}
	if _, err := nginxProgram(); err != nil {
		fmt.Println("nginx is not installed, so what stands behind it is not measured")
		columns, comparisons = columns[:nginxAlone], comparisons[:len(comparisons)-1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Whatever hangs, the end comes: each round gets twice its time, and what is around them a quarter of an hour, to build.
	round := 2*o.duration*time.Duration(len(columns)) + o.pause
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute+round*time.Duration(o.rounds+2))
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// column is one thing that is measured. What it is compared with stands in comparisons.
type column struct {
	name      string
	site      site
	anonymous bool
}

// The columns. Caddy without the gate is our binary with a configuration that does not name nightlatch: the gate's code is in it, and
// nothing of it runs. Where GOGC is empty the binary chooses its garbage collector's target itself.
var columns = []column{
	{"without gate, GOGC=100", site{gogc: "100"}, false},
	{"with gate, GOGC=100", site{gate: true, gogc: "100"}, false},
	{"without gate, GOGC=400", site{gogc: "400"}, false},
	{"with gate, as shipped", site{gate: true}, false},
	{"without gate, collector at rest", site{gogc: atRest}, false},
	{"with gate, collector at rest", site{gate: true, gogc: atRest}, false},
	{"refused, as shipped", site{gate: true}, true},
	// Last, since they are left out where there is no nginx. The time is that of nginx and of the gate that it asks.
	{"nginx alone", site{nginx: true}, false},
	{"nginx that asks, as shipped", site{nginx: true, gate: true}, false},
}

// atRest keeps the garbage collector from running until a process holds 256 MiB, with the gate and without. The gate keeps buffers of
// its store, and GOGC counts in proportion to what is kept: at the same GOGC a gate collects less often, which hides a part of what it
// costs.
const atRest = "off"

// Indices into columns.
const (
	plain = iota
	gated
	plain400
	shipped
	plainAtRest
	gatedAtRest
	refused
	nginxAlone
	nginxAsks
)

// comparison divides one column by another.
type comparison struct{ over, under int }

var comparisons = []comparison{{gated, plain}, {shipped, plain400}, {gatedAtRest, plainAtRest}, {shipped, plain}, {refused, plain}, {nginxAsks, nginxAlone}}

// turns is how often the columns take turns within a round. What else the machine does comes and goes within seconds: long turns would
// put it on one column or the other.
const turns = 10

// round measures every column for d.
func (b *bench) round(ctx context.Context, d time.Duration) ([]result, error) {
	sums := make([]result, len(columns))
	for range turns {
		for i := range columns {
			r, err := b.turn(ctx, i, d/turns)
			if err != nil {
				return nil, fmt.Errorf("measuring %s: %w", columns[i].name, err)
			}
			sums[i].add(r)
		}
	}
	return sums, nil
}

func run(ctx context.Context, o options) (err error) {
	b, err := prepare(ctx, o.connections)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()

	fmt.Printf("%s, %d processors, %s; %d connections, %d rounds of %v\n", time.Now().Format("2006-01-02 15:04"), runtime.NumCPU(),
		runtime.Version(), o.connections, o.rounds, o.duration)
	if err := b.printMemory("fresh and idle"); err != nil {
		return err
	}

	// Connections, pools and caches fill before anything is counted.
	if _, err := b.round(ctx, o.duration/2); err != nil {
		return err
	}
	results := make([][]result, len(columns))
	for range o.rounds {
		round, err := b.round(ctx, o.duration)
		if err != nil {
			return err
		}
		for i, r := range round {
			results[i] = append(results[i], r)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(o.pause):
		}
	}
	fmt.Println()
	report(os.Stdout, results)
	fmt.Println()
	if err := b.printAllocations(ctx, max(o.duration/4, 100*time.Millisecond)); err != nil {
		return err
	}
	fmt.Println()
	if err := b.printMemory("after that"); err != nil {
		return err
	}
	if o.profile != "" {
		return b.profiles(ctx, o)
	}
	return nil
}
