// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/spf13/cobra"

	"github.com/nightlatch/nightlatch/internal/admin"
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/store"
)

// target says which server or store a command works on, as its flags name it.
type target struct{ address, config, adapter, dataDir string }

// open finds the server, or opens the store when none runs; create allows to begin a store where there is none. done gives the store
// back.
//
// What the operator names is never replaced by something else: with --address only that server will do, and with --data-dir only that
// directory, since the server that happens to listen at the usual address may have another.
func (t *target) open(cmd *cobra.Command, create bool) (c admin.Client, done func() error, err error) {
	done = func() error { return nil }
	c, cfg, err := t.reach()
	if err != nil || c.Do != nil {
		return c, done, err
	}
	svc, done, err := t.openStore(cmd.Context(), cfg, create, cmd.ErrOrStderr())
	if err != nil {
		return c, func() error { return nil }, err
	}
	return admin.Direct(admin.Handler(admin.Config{
		Service:  func() (*auth.Service, error) { return svc, nil },
		LinkPath: linkPath,
		Origins:  cfg.origins,
		Log:      slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)),
	})), done, nil
}

// reach finds the server. When none runs, the client is empty, and what is to be done is done with the configuration.
func (t *target) reach() (c admin.Client, cfg configuration, err error) {
	if t.address != "" && t.dataDir != "" {
		return c, cfg, usagef("--address names a server and --data-dir a store that none has open: give one of them")
	}
	if t.address != "" {
		c, err = running(t.address)
		if nobodyListens(err) {
			err = fmt.Errorf("nothing listens at %s: start the server, or leave out --address to work without one", t.address)
		}
		return c, cfg, err
	}
	if cfg, err = t.configuration(); err != nil || t.dataDir != "" || cfg.adminOff {
		return c, cfg, err
	}
	c, err = running(cfg.listen)
	if nobodyListens(err) {
		return admin.Client{}, cfg, nil
	}
	return c, cfg, err
}

// configuration is what a server's configuration says to a command.
type configuration struct {
	listen   string // admin endpoint
	adminOff bool
	app      App // decoded, not provisioned
	raw      caddy.Config
}

// configuration reads the file that --config names or else, as Caddy's own commands do, the Caddyfile in the current directory. With
// --data-dir alone that one would be a stranger's, and is not looked at.
func (t *target) configuration() (configuration, error) {
	cfg := configuration{listen: caddy.DefaultAdminListen}
	file := t.config
	if file == "" {
		if t.adapter != "" {
			return cfg, usagef("--adapter says how to read a file that --config must name")
		}
		file = "Caddyfile"
		if _, err := os.Stat(file); t.dataDir != "" || errors.Is(err, fs.ErrNotExist) {
			return cfg, nil
		}
	}
	data, err := adapt(file, t.adapter)
	if err != nil {
		return cfg, err
	}
	if err := json.Unmarshal(data, &cfg.raw); err != nil {
		return cfg, fmt.Errorf("reading the configuration %s: %w", file, err)
	}
	if raw, ok := cfg.raw.AppsRaw["nightlatch"]; ok {
		if err := json.Unmarshal(raw, &cfg.app); err != nil {
			return cfg, fmt.Errorf("reading the configuration %s: %w", file, err)
		}
	}
	var sites any
	if raw, ok := cfg.raw.AppsRaw["http"]; ok {
		if err := json.Unmarshal(raw, &sites); err != nil {
			return cfg, fmt.Errorf("reading the configuration %s: %w", file, err)
		}
	}
	cfg.app.addSitesIn(sites)
	if a := cfg.raw.Admin; a != nil {
		cfg.adminOff = a.Disabled
		if a.Listen != "" {
			cfg.listen = a.Listen
		}
	}
	return cfg, nil
}

// addSitesIn finds our handlers in the decoded JSON of the http app, at any depth, and notes what each asks, as Handler.Provision does.
// A new password is then held to what the server would hold it to. What does not decode counts as lax, which is the stricter default.
func (a *App) addSitesIn(v any) {
	switch v := v.(type) {
	case []any:
		for _, inner := range v {
			a.addSitesIn(inner)
		}
	case map[string]any:
		if v["handler"] == "nightlatch" {
			var h Handler
			raw, err := json.Marshal(v)
			if err == nil {
				err = json.Unmarshal(raw, &h)
			}
			a.addSite(err != nil || h.lax())
			return
		}
		for _, inner := range v {
			a.addSitesIn(inner)
		}
	}
}

// adapt is caddycmd.LoadConfig for a named file, without the log lines between which an operator would look for the answer.
func adapt(file, adapter string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if base := strings.ToLower(filepath.Base(file)); adapter == "" && filepath.Ext(base) != ".json" &&
		(strings.HasPrefix(base, "caddyfile") || strings.HasSuffix(base, ".caddyfile")) {
		adapter = "caddyfile"
	}
	if adapter == "" {
		return data, nil
	}
	a := caddyconfig.GetAdapter(adapter)
	if a == nil {
		return nil, usagef("there is no config adapter %q", adapter)
	}
	data, _, err = a.Adapt(data, map[string]any{"filename": file})
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return data, nil
}

// origins lists the protected sites of the configuration. One that does not come to life here, for want of a file or a module, says nothing.
func (cfg *configuration) origins() []string {
	app, err := cfg.provision()
	if err != nil || app == nil {
		return nil
	}
	return app.origins()
}

// provision brings the configuration to life as `caddy validate` does: nothing is started, and nothing opened. Only provisioned handlers
// tell what they stand in. The app is nil where no site is protected. It can be done once.
//
// Where `tls internal` wants an authority, Caddy makes one at once: for us in a directory that is gone afterwards, rather than among the
// files of a server that may run as somebody else.
func (cfg *configuration) provision() (*App, error) {
	if len(cfg.raw.AppsRaw) == 0 {
		return nil, nil
	}
	scratch, err := os.MkdirTemp("", "nightlatch-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	cfg.raw.StorageRaw = caddyconfig.JSONModuleObject(map[string]string{"root": scratch}, "module", "file_system", nil)
	cfg.raw.Admin = &caddy.AdminConfig{Disabled: true}
	cfg.raw.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: "fatal"}}}}
	ctx, err := caddy.ProvisionContext(&cfg.raw)
	if err != nil {
		return nil, err
	}
	app, err := ctx.AppIfConfigured("nightlatch")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

// running returns a Client for the server whose admin endpoint is at addr, in Caddy's notation. It has been reached once; an error for
// which nobodyListens is true says that there is none.
func running(addr string) (admin.Client, error) {
	text, err := caddy.NewReplacer().ReplaceOrErr(addr, true, true)
	if err != nil {
		return admin.Client{}, fmt.Errorf("reading the admin address: %w", err)
	}
	at, err := caddy.ParseNetworkAddress(text)
	if err != nil || at.PortRangeSize() > 1 {
		return admin.Client{}, usagef("%q is no address of an admin endpoint; examples: localhost:2019, unix//run/caddy-admin.sock", addr)
	}
	host, origin := at.JoinHostPort(0), ""
	if at.IsUnixNetwork() {
		at.Host, _, _ = strings.Cut(at.Host, "|") // the mode of the socket file
		host = "127.0.0.1"                        // what Caddy's own commands send
	} else {
		origin = "http://" + host
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, at.Network, at.JoinHostPort(0))
	}
	conn, err := dial(context.Background())
	if err != nil {
		return admin.Client{}, fmt.Errorf("the server's admin endpoint cannot be reached: %w", err)
	}
	conn.Close()
	client := http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		},
	}
	return admin.Client{Do: func(r *http.Request) (*http.Response, error) {
		r.URL.Scheme, r.URL.Host = "http", host
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		r.Header.Set("User-Agent", "nightlatch command")
		resp, err := client.Do(r)
		if err != nil {
			return nil, fmt.Errorf("asking the server at %s: %w", addr, err)
		}
		return resp, nil
	}}, nil
}

func nobodyListens(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)
}

// openStore opens the data directory itself, with the settings of the configuration.
func (t *target) openStore(ctx context.Context, cfg configuration, create bool, stderr io.Writer) (*auth.Service, func() error, error) {
	if t.dataDir != "" {
		// Not a configuration: braces in it are braces.
		cfg.app.DataDir = ""
	}
	o, err := cfg.app.storeOptions()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if t.dataDir != "" {
		if o.Dir, err = canonical(t.dataDir); err != nil {
			return nil, nil, fmt.Errorf("finding the data directory %s: %w", t.dataDir, err)
		}
	}
	named := t.dataDir != "" || cfg.app.DataDir != ""
	if err := t.checkDir(o.Dir, create && named, cfg); err != nil {
		return nil, nil, err
	}
	o.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	core, err := server.Open(ctx, o)
	switch {
	case errors.Is(err, store.ErrLocked):
		return nil, nil, t.lockedError(o.Dir, cfg)
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, fmt.Errorf("%w; run this as the user that the server runs as", err)
	case err != nil:
		return nil, nil, err
	}
	return core.Service().With(auth.View{Settings: cfg.app.settings()}), core.Close, nil
}

// checkDir refuses to begin a store by mistake: a mistyped directory would otherwise look like one without users.
func (t *target) checkDir(dir string, create bool, cfg configuration) error {
	info, err := os.Stat(filepath.Join(dir, "store"))
	switch {
	case errors.Is(err, fs.ErrNotExist) && create:
		if info, err := os.Stat(dir); err == nil {
			return checkOwner(dir, info)
		}
		return nil
	case errors.Is(err, fs.ErrNotExist) && t.dataDir != "":
		return fmt.Errorf("there is no Nightlatch data in %s", dir)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no server listens at %s, and there is no Nightlatch data in %s: start the server, or name its configuration with --config",
			cfg.listen, dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the data directory %s is closed to this user: run this as the user that the server runs as", dir)
	case err != nil:
		return fmt.Errorf("looking at the data directory: %w", err)
	}
	return checkOwner(dir, info)
}

// lockedError is for a store that a server has open which could not be talked to.
func (t *target) lockedError(dir string, cfg configuration) error {
	switch {
	case t.dataDir != "":
		return fmt.Errorf("a server has %s open: leave out --data-dir to talk to that server (see --address and --config), or stop it", dir)
	case cfg.adminOff:
		return fmt.Errorf("a server has %s open, and its configuration turns the admin endpoint off: turn it on, or stop the server first", dir)
	}
	return fmt.Errorf("a server has %s open, but nothing listens at %s: name its admin endpoint with --address or its configuration with --config",
		dir, cfg.listen)
}
