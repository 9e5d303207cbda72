// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// secondFactors are what a person has enrolled, and what they may enroll.
type secondFactors struct {
	Enabled   bool        `json:"enabled"`
	Required  bool        `json:"required"` // of everybody at this site
	Factors   []factor    `json:"factors"`
	CodesLeft int         `json:"backup_codes_left"`
	Available []available `json:"available"`
}

// factor is an enrolled second factor: never what it is proven by.
type factor struct {
	ID          string    `json:"id"`
	Method      method    `json:"method"`
	Name        string    `json:"name"` // empty: not named
	Channel     string    `json:"channel,omitempty"`
	Destination string    `json:"destination,omitempty"` // with all but a hint of it hidden
	Created     time.Time `json:"created_at"`
	LastUsed    time.Time `json:"last_used_at"`
}

func factorOf(f *auth.FactorInfo) factor {
	return factor{f.ID, method(f.Method), f.Name, f.Channel, f.Hint(), moment(f.Created), moment(f.LastUsed)}
}

func showTwoFactor(c *call, _ nothing) (any, error) {
	detail, err := c.auth.Account(c.Context(), c.own.UserID)
	if err != nil {
		return nil, err
	}
	methods, err := c.auth.Enrollable(c.Context(), c.own.UserID)
	if err != nil {
		return nil, err
	}
	out := secondFactors{
		Enabled: detail.TwoFactor.Enabled, Required: c.api.level == auth.LevelTwoFactor, Factors: []factor{}, CodesLeft: detail.CodesLeft,
		Available: availableOf(methods, c.auth.Settings().Channels),
	}
	for i := range detail.Factors {
		out.Factors = append(out.Factors, factorOf(&detail.Factors[i]))
	}
	return out, nil
}

// ownFactor finds a second factor among those of the person. Somebody else's is as good as none (ASVS 8.2.2).
func (c *call) ownFactor(id string) (factor, error) {
	detail, err := c.auth.Account(c.Context(), c.own.UserID)
	if err != nil {
		return factor{}, err
	}
	for i := range detail.Factors {
		if f := &detail.Factors[i]; f.ID == id {
			return factorOf(f), nil
		}
	}
	return factor{}, kinds[auth.NoSuchWay]
}

type renaming struct {
	Name *string `json:"name"` // empty: not named any more
}

func renameFactor(c *call, in renaming) (any, error) {
	if err := c.auth.RenameFactor(c.Context(), c.client(), c.ticket, c.id(), *in.Name); err != nil {
		return nil, err
	}
	return c.ownFactor(c.id())
}

func removeFactor(c *call, _ nothing) (any, error) {
	return nil, c.auth.RemoveFactor(c.Context(), c.client(), c.ticket, c.id())
}

// newCodes is the answer to an act that has made backup codes. They are in no other answer.
type newCodes struct {
	Codes []string `json:"backup_codes"`
	tokens
}

func newBackupCodes(c *call, _ nothing) (any, error) {
	p, err := c.auth.NewBackupCodes(c.Context(), c.client(), c.ticket)
	if err != nil {
		return nil, err
	}
	return newCodes{p.Codes, c.turned(p)}, nil
}
