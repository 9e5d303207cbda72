// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// result is what was measured of one column, in a turn or in all turns of a round.
type result struct {
	answers int64
	took    time.Duration
	cpu     time.Duration // of the Caddy process
}

func (r *result) add(more result) {
	r.answers += more.answers
	r.took += more.took
	r.cpu += more.cpu
}

// perSecond is how many requests were answered in a second.
func (r result) perSecond() float64 { return float64(r.answers) / r.took.Seconds() }

// perRequest is the time of processors that a request took, in microseconds.
func (r result) perRequest() float64 {
	return float64(r.cpu) / float64(time.Microsecond) / float64(max(r.answers, 1))
}

// spread is a median and what lies around it.
type spread struct{ median, low, high float64 }

// spreadOf needs at least one value. Of an even number of values the lower one in the middle is the median.
func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	return spread{sorted[(len(sorted)-1)/2], sorted[0], sorted[len(sorted)-1]}
}

// each measures every result in one way.
func each(results []result, measure func(result) float64) (values []float64) {
	for _, r := range results {
		values = append(values, measure(r))
	}
	return values
}

// ratios divides two columns round by round. The turns of a round alternate within seconds, so that what else the machine did then
// weighs on both.
func ratios(over, under []result, measure func(result) float64) spread {
	values := each(over, measure)
	for i, u := range under {
		values[i] /= measure(u)
	}
	return spreadOf(values)
}

// report prints the columns and what comes out of dividing one by another.
func report(w io.Writer, results [][]result) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\trequests/s\tCPU µs/request\tlowest\thighest\t")
	for i, c := range columns {
		rate, cost := spreadOf(each(results[i], result.perSecond)), spreadOf(each(results[i], result.perRequest))
		fmt.Fprintf(t, "%s\t%.0f\t%.1f\t%.1f\t%.1f\t\n", c.name, rate.median, cost.median, cost.low, cost.high)
	}
	t.Flush()
	fmt.Fprintln(w, "\nratios, round by round: median (lowest to highest)")
	t = tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, c := range comparisons {
		cost := ratios(results[c.over], results[c.under], result.perRequest)
		rate := ratios(results[c.over], results[c.under], result.perSecond)
		fmt.Fprintf(t, "%s ÷ %s\tCPU %s\trequests/s %s\n", columns[c.over].name, columns[c.under].name, cost, rate)
	}
	t.Flush()
}

func (s spread) String() string {
	return fmt.Sprintf("%.2f (%.2f to %.2f)", s.median, s.low, s.high)
}
