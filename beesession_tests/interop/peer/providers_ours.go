//go:build ours

package main

import (
	"os"

	// The providers of this project, in the place of beego's own of these names.
	_ "beesession/interop/go/memcache"
	_ "beesession/interop/go/mysql"
	"beesession/interop/go/postgresql"
	_ "beesession/interop/go/redis"
)

// The tests give this process and a beego of stock the same zone, in which that one would store its local time.
func init() {
	if zone := os.Getenv("TZ"); zone != "" {
		postgresql.TimeZone = zone
	}
}
