//go:build !ours

package main

// beego's session engines; memory, cookie and file are always there. Left out is ledis, which cannot write.
import (
	_ "github.com/beego/beego/v2/server/web/session/couchbase"
	_ "github.com/beego/beego/v2/server/web/session/memcache"
	_ "github.com/beego/beego/v2/server/web/session/mysql"
	_ "github.com/beego/beego/v2/server/web/session/postgres"
	_ "github.com/beego/beego/v2/server/web/session/redis"
	_ "github.com/beego/beego/v2/server/web/session/redis_cluster"
	_ "github.com/beego/beego/v2/server/web/session/redis_sentinel"
	_ "github.com/beego/beego/v2/server/web/session/ssdb"
)
