// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is another program that was started here and ends with us.
type process struct {
	cmd    *exec.Cmd
	addr   string // where it listens
	output bytes.Buffer
	exited chan struct{}
}

// start runs a program until ctx is over and waits until it listens.
func start(ctx context.Context, addr string, env []string, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, name, args...), addr: addr, exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 5 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.cmd.Wait()
		close(p.exited)
	}()
	deadline := time.Now().Add(30 * time.Second)
	for {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			conn.Close()
			return p, nil
		}
		select {
		case <-p.exited:
			return nil, fmt.Errorf("%s ended at once:\n%s", name, p.output.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.stop()
			return nil, fmt.Errorf("%s does not listen on %s:\n%s", name, addr, p.output.String())
		}
	}
}

// stop asks the process to end, and insists after a while.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		p.cmd.Process.Kill()
		<-p.exited
	}
}

// tick is the unit of time in /proc/PID/stat, the same on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// cpu is how much time of processors the process has used so far, as user and in the kernel.
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading the time of a process, which needs Linux: %w", err)
	}
	return parseCPU(string(b))
}

// parseCPU finds utime and stime, fields 14 and 15 of proc_pid_stat(5). The name of the program comes before them and may hold blanks.
func parseCPU(stat string) (time.Duration, error) {
	_, rest, _ := strings.Cut(stat[max(0, strings.LastIndexByte(stat, ')')):], " ")
	fields := strings.Fields(rest) // from field 3 on
	if len(fields) < 13 {
		return 0, fmt.Errorf("not the stat of a process: %q", stat)
	}
	var sum time.Duration
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("not the stat of a process: %w", err)
		}
		sum += time.Duration(ticks) * tick
	}
	return sum, nil
}

// memory is what of the process is in memory, in bytes, and what of that is its own rather than a file's.
func (p *process) memory() (resident, anonymous int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, fmt.Errorf("reading the memory of a process, which needs Linux: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		for name, into := range map[string]*int64{"VmRSS:": &resident, "RssAnon:": &anonymous} {
			if value, ok := strings.CutPrefix(line, name); ok {
				if _, err := fmt.Sscanf(value, "%d kB", into); err != nil {
					return 0, 0, fmt.Errorf("not an amount of memory: %q", line)
				}
				*into <<= 10
			}
		}
	}
	return resident, anonymous, nil
}

// freeAddr is an address on loopback that nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
