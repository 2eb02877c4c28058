//go:build tools

// Package tools names the server that is built from this module, at the version that go.mod pins.
package tools

import _ "github.com/ledisdb/ledisdb/cmd/ledis-server"
