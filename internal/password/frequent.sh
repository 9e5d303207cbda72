#!/bin/sh
# SPDX-FileCopyrightText: The Nightlatch authors
# SPDX-License-Identifier: Apache-2.0
#
# Writes frequent.txt from the published list that NOTICE names. Needs npm and openssl. The version and its hash are pinned, so that it
# writes the same bytes whenever it runs; a newer list is a new version and a new hash here, and a commit that shows what has changed.
set -eu

package=@zxcvbn-ts/language-common@4.1.3
sha512=8366e0e2c9269491bd689a82fe75b3899ce062949efdfdeb29e1a86eb91d1623ab7d9545aaacd4802e815105ae5f9e12b9af63d09c71b7ed5b7f87ff31a9752a
list=$(pwd)/frequent.txt

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
tarball=$(npm pack --silent "$package")
test "$(openssl dgst -sha512 -r "$tarball" | cut -d ' ' -f 1)" = "$sha512" || { echo "$tarball is not the one that was reviewed" >&2; exit 1; }
tar xzf "$tarball"

# At least eight code points: ASVS 6.2.1 allows no policy that asks for fewer. Sorted by bytes, for the search in check.go.
cat >"$list" <<EOF
# SPDX-FileCopyrightText: 2012-2016 Dan Wheeler and Dropbox, Inc.
# SPDX-FileCopyrightText: 2021 @zxcvbn-ts
# SPDX-License-Identifier: MIT
#
# Every entry of eight or more characters in src/passwords.json of $package,
# sorted by bytes. Made by frequent.sh; NOTICE has the license.

EOF
node -e '
	const all = JSON.parse(require("fs").readFileSync("package/src/passwords.json", "utf8"))
	for (const entry of all) if ([...entry].length >= 8) console.log(entry)
' | LC_ALL=C sort -u >>"$list"
