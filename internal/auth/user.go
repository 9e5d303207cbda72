// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/nightlatch/nightlatch/internal/password"
	"github.com/nightlatch/nightlatch/internal/store"
)

// User is a person with an account. ID never changes and is never used again; the rest may change.
type User struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`         // canonical
	FullName string    `json:"display_name"` // what people are called
	Email    string    `json:"email"`
	Groups   []string  `json:"groups"`
	Admin    bool      `json:"admin"`
	Disabled bool      `json:"disabled"`
	Created  time.Time `json:"created"`
}

// NewUser is what an operator says of a person to be added.
type NewUser struct {
	Name, FullName, Email string
	Groups                []string
	Admin                 bool
	Password              string // empty: the person sets it through an invite link
}

// UserDetail is what an operator and the account page may see: never a secret, a hash or a token.
type UserDetail struct {
	User
	HasPassword bool         `json:"has_password"`
	TwoFactor   TwoFactor    `json:"two_factor"`
	Factors     []FactorInfo `json:"factors"`
	CodesLeft   int          `json:"backup_codes_left"`
	Sessions    int          `json:"sessions"`
	Stopped     []Method     `json:"stopped"` // factors at their hard stop against guessing
}

// TwoFactor says in short whether somebody has two-factor sign-in, and of which methods.
type TwoFactor struct {
	Enabled bool     `json:"enabled"`
	Methods []Method `json:"methods"` // each once, the best first
}

// userRecord is a User as stored.
type userRecord struct {
	User
	Password   string `json:"password,omitempty"`   // PHC string; empty until an invite is accepted
	Generation int    `json:"generation,omitempty"` // counts changes of the password; a sign-in begun before one is over
	// MailedPassword says that the password was set through the mailbox and nothing but the mailbox has been proven since: until then a
	// code to the same mailbox is no second factor.
	MailedPassword bool   `json:"mailed_password,omitempty"`
	Reset          string `json:"reset,omitempty"`        // digest of the newest mailed reset link
	LinkNeeded     bool   `json:"link_needed,omitempty"`  // an operator reset the factors: the next is enrolled by link only
	Invite         string `json:"invite,omitempty"`       // digest of the newest link of this person; older ones are dead
	SessionIDs     []ref  `json:"session_refs,omitempty"` // at most maxSessions, oldest first
	Trusted        []ref  `json:"trusted,omitempty"`      // browsers, at most maxTrusted, oldest first
	AccessKeys     []ref  `json:"access_keys,omitempty"`  // at most MaxAccessKeys, oldest first
	Guessed        bool   `json:"guessed,omitempty"`      // many wrong passwords came before a right one, and no sign-in has finished since
	Welcomed       bool   `json:"welcomed,omitempty"`     // has signed in at least once
	Language       string `json:"language,omitempty"`     // of the pages at the last sign-in (BCP 47), for mails
}

// ref names a session of a user. The list is read with Get and so keeps the limit exact under parallel sign-ins.
type ref struct {
	ID      string    `json:"id"`
	Expires time.Time `json:"expires"`
}

func userKey(id string) string { return "user/" + id }

func nameIndex(nameKey string) string { return "name/" + nameKey }

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9._@+-]{0,63}$`)

// Canonical is the one spelling of a user name: compatibility forms folded, lower case, no outer space. Every look-up and every counter
// goes through it, so that no other spelling is another identity (BF-7, ID-15). It does not say that the name is acceptable.
func Canonical(name string) string {
	return strings.TrimSpace(strings.ToLower(norm.NFKC.String(strings.ToValidUTF8(name, "\uFFFD"))))
}

// checkName says whether a new user may be called so. Plain ASCII only: the name goes into a header that applications take for an
// identity, and letters that look alike would make two people one to the eye.
func checkName(name string) (canonical string, err error) {
	canonical = Canonical(name)
	if !validName.MatchString(canonical) {
		return "", failf(BadName, "use 1 to 64 of the letters a-z, digits, and . _ @ + -, beginning with a letter or digit")
	}
	return canonical, nil
}

// validGroup leaves out what lists of groups are split at, commas, pipes and semicolons: one group must not be told as two.
var validGroup = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._@+:/-]{0,63}$`)

// maxGroupList is the size in bytes of all groups in one header (ASVS 4.2.5): more is refused rather than cut.
const maxGroupList = 4096

func checkProfile(in NewUser) error {
	for _, g := range in.Groups {
		if !validGroup.MatchString(g) || strings.HasSuffix(g, " ") {
			return failf(BadInput, "the group %q has a character that does not go: use letters, digits, spaces inside, and . _ @ + : / -", g)
		}
	}
	if len(strings.Join(in.Groups, ",")) > maxGroupList {
		return failf(BadInput, "the groups are longer than %d bytes together", maxGroupList)
	}
	if utf8.RuneCountInString(in.FullName) > 128 || !printable(in.FullName) {
		return failf(BadInput, "the display name must be at most 128 printable characters")
	}
	if in.Email != "" && !validAddress(in.Email) {
		return failf(BadInput, "%q is not an e-mail address", in.Email)
	}
	return nil
}

// maxAddress is the size in bytes of an e-mail address (RFC 5321 §4.5.3.1.3, less the brackets).
const maxAddress = 254

// validAddress takes one plain address: no name, no comment, no list, nothing that could end a header line (ML-1).
func validAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= maxAddress && printable(s) && !strings.ContainsAny(s, "\"(),:;<>[\\] ")
}

// canonicalAddress is how two addresses are compared. Only ASCII letters lose their case: to fold more would make one address of two,
// such as the Kelvin sign and a k (RE-6). Mail goes to the stored spelling.
func canonicalAddress(s string) string { return lowerASCII(strings.TrimSpace(s)) }

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

func (k *keys) emailIndex(address string) string {
	return "email/" + k.nameKey(canonicalAddress(address))
}

// idsByEmail are the people of an address. Several may share one.
func (t *tx) idsByEmail(address string) ([]string, error) {
	ids, _, err := get[[]string](t, t.s.keys.emailIndex(address))
	return ids, err
}

// setEmail changes the address of a person, by what they are found and what their sessions tell applications. The caller saves the user.
func (t *tx) setEmail(u *userRecord, address string) error {
	for _, x := range slices.Concat(u.SessionIDs, u.AccessKeys) {
		t.changed = append(t.changed, x.ID)
	}
	if u.Email != "" {
		ids, err := t.idsByEmail(u.Email)
		if err != nil {
			return err
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == u.ID })
		if err := t.putIDs(t.s.keys.emailIndex(u.Email), ids); err != nil {
			return err
		}
	}
	u.Email = address
	if address == "" {
		return nil
	}
	ids, err := t.idsByEmail(address)
	if err != nil {
		return err
	}
	return t.putIDs(t.s.keys.emailIndex(address), append(ids, u.ID))
}

func (t *tx) putIDs(key string, ids []string) error {
	if len(ids) > 0 {
		return put(t, key, ids, time.Time{})
	}
	if err := t.Delete(key); err != nil {
		return fmt.Errorf("deleting an index: %w", err)
	}
	return nil
}

// printable refuses what could end a header line, reorder text on a page or hide in it.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) })
}

func (s *Service) checkPassword(c Client, plain, name, email string) error {
	if err := password.Check(plain, s.settings.MinPassword, s.obvious(c, name, email)...); err != nil {
		return &Error{Kind: BadPassword, Cause: err}
	}
	return nil
}

// obvious are the words of which a password may not consist, since anybody who sees the sign-in page would try them (ASVS 6.1.2): the
// user name, what stands before the @ of the address, the brand, the name of the site and its parts.
func (s *Service) obvious(c Client, name, email string) []string {
	local, _, _ := strings.Cut(email, "@")
	words := []string{name, local, s.settings.Brand}
	if u, err := url.Parse(c.Origin); err == nil && u.Hostname() != "" {
		words = append(words, u.Hostname())
		words = append(words, strings.Split(u.Hostname(), ".")...)
	}
	return words
}

// userByName finds a person. found is false for a name that nobody has.
func (s *Service) userByName(t store.Tx, canonical string) (*userRecord, bool, error) {
	id, found, err := get[string](t, nameIndex(s.keys.nameKey(canonical)))
	if err != nil || !found {
		return nil, false, err
	}
	return userByID(t, id)
}

func userByID(t store.Tx, id string) (*userRecord, bool, error) {
	u, found, err := get[userRecord](t, userKey(id))
	if err != nil || !found {
		return nil, false, err
	}
	return &u, true, nil
}

func (t *tx) saveUser(u *userRecord) error { return put(t, userKey(u.ID), u, time.Time{}) }

// createUser writes a new person and what keeps names unique.
func (t *tx) createUser(in NewUser, passwordHash string) (*userRecord, error) {
	name, err := checkName(in.Name)
	if err != nil {
		return nil, err
	}
	if err := checkProfile(in); err != nil {
		return nil, err
	}
	index := nameIndex(t.s.keys.nameKey(name))
	if _, found, err := get[string](t, index); err != nil {
		return nil, err
	} else if found {
		return nil, failf(NameTaken, "there is a user %q already", name)
	}
	groups := slices.Clone(in.Groups)
	slices.Sort(groups)
	u := &userRecord{
		User: User{
			ID: newID() + newID(), Name: name, FullName: in.FullName,
			Groups: slices.Compact(groups), Admin: in.Admin, Created: t.now.UTC(),
		},
		Password: passwordHash,
	}
	if err := put(t, index, u.ID, time.Time{}); err != nil {
		return nil, err
	}
	if err := t.setEmail(u, in.Email); err != nil {
		return nil, err
	}
	if err := t.countAdministrator(u); err != nil {
		return nil, err
	}
	return u, t.saveUser(u)
}

const administratorsKey = "administrators"

// countAdministrator keeps the list of enabled administrators in one record, so that "is there one" and "is this the last one" hold
// under parallel changes.
func (t *tx) countAdministrator(u *userRecord) error {
	ids, _, err := get[[]string](t, administratorsKey)
	if err != nil {
		return err
	}
	had := slices.Contains(ids, u.ID)
	has := u.Admin && !u.Disabled
	switch {
	case has && !had:
		ids = append(ids, u.ID)
	case had && !has:
		if len(ids) == 1 {
			return failf(LastAdministrator, "add another one first: nightlatch user add NAME --admin")
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == u.ID })
	default:
		return nil
	}
	return put(t, administratorsKey, ids, time.Time{})
}

// HasAdministrator tells whether an enabled administrator exists.
func (s *Service) HasAdministrator(ctx context.Context) (has bool, err error) {
	err = s.view(ctx, func(t store.Tx) error {
		ids, _, err := get[[]string](t, administratorsKey)
		has = len(ids) > 0
		return err
	})
	return has, err
}

// Account describes a person to themselves.
func (s *Service) Account(ctx context.Context, userID string) (d UserDetail, err error) {
	err = s.viewUser(ctx, userID, func(t store.Tx, u *userRecord) (err error) {
		d, err = s.detail(t, u)
		return err
	})
	return d, err
}

// viewUser reads something of a person who is known by id; NotFound when there is none.
func (s *Service) viewUser(ctx context.Context, userID string, fn func(t store.Tx, u *userRecord) error) error {
	return s.view(ctx, func(t store.Tx) error {
		u, found, err := userByID(t, userID)
		if err != nil {
			return err
		}
		if !found {
			return fail(NotFound)
		}
		return fn(t, u)
	})
}

func (s *Service) detail(t store.Tx, u *userRecord) (UserDetail, error) {
	f, err := loadFactors(t, u.ID)
	if err != nil {
		return UserDetail{}, err
	}
	d := UserDetail{User: u.User, HasPassword: u.Password != "", CodesLeft: f.codesLeft()}
	d.TwoFactor = TwoFactor{Enabled: f.enrolled()}
	f.each(func(m Method, n *named, channel, to string) {
		if !slices.Contains(d.TwoFactor.Methods, m) {
			d.TwoFactor.Methods = append(d.TwoFactor.Methods, m)
		}
		if m == Email {
			to = u.Email
		}
		d.Factors = append(d.Factors, FactorInfo{
			ID: n.ID, Method: m, Name: n.Name, Channel: channel, To: to, Created: n.Created, LastUsed: n.LastUsed,
		})
	})
	sessions, err := s.sessionsOf(t, u)
	if err != nil {
		return UserDetail{}, err
	}
	d.Sessions = len(sessions)
	stops := []limit{{key: passwordKey(s.keys.nameKey(u.Name))}}
	methods := []Method{Password}
	for _, m := range secondMethods {
		stops, methods = append(stops, limit{key: codeKey(u.ID, m)}), append(methods, m)
	}
	for i, l := range stops {
		c, _, err := get[counter](t, l.key)
		if err != nil {
			return UserDetail{}, err
		}
		if c.Failures >= stopAt {
			d.Stopped = append(d.Stopped, methods[i])
		}
	}
	return d, nil
}
