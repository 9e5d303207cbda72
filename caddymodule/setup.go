// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// offerSetup prints a link that makes the first administrator, once for as long as the store is open. The link goes to standard
// error only: logs are collected, forwarded and read by many.
func (a *App) offerSetup(svc *auth.Service) (err error) {
	a.store.greet.Do(func() { err = a.printSetupLink(svc) })
	return err
}

func (a *App) printSetupLink(svc *auth.Service) error {
	ctx := context.Background()
	has, err := svc.HasAdministrator(ctx)
	if err != nil || has {
		return err
	}
	link, err := svc.NewSetupLink(ctx)
	if err != nil {
		return fmt.Errorf("making the setup link: %w", err)
	}
	fmt.Fprintf(os.Stderr, "\nNightlatch has no administrator yet. Open this link within one hour to make the first account:\n\n    %s%ssetup/%s\n\n",
		a.firstOrigin(), visit.Prefix, link.Token)
	a.log.Info("no administrator yet: a setup link was printed to standard error")
	return nil
}

// firstOrigin is where the setup link leads. Where no site can be told from the configuration, it is a guess with the right port.
func (a *App) firstOrigin() string {
	if known := a.origins(); len(known) > 0 {
		return known[0]
	}
	if app := a.sitesApp(); app != nil && len(app.Servers) > 0 {
		first := slices.Sorted(maps.Keys(app.Servers))[0]
		return listenerOf(app, app.Servers[first]).origin("localhost")
	}
	return "http://localhost"
}
