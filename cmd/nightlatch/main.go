package main
import (
 caddycmd "github.com/caddyserver/caddy/v2/cmd"
 _ "github.com/caddyserver/caddy/v2/modules/standard"
 _ "github.com/dgraph-io/badger/v4"
)
func main(){caddycmd.Main()}
