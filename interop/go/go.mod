module beesession/interop/go

go 1.22

require (
	github.com/beego/beego/v2 v2.3.8
	github.com/bradfitz/gomemcache v0.0.0-20190913173617-a41fca850d0b
	github.com/go-sql-driver/mysql v1.8.1
	github.com/lib/pq v1.10.5
	github.com/redis/go-redis/v9 v9.5.5
)

require (
	filippo.io/edwards25519 v1.1.0 // indirect
	github.com/cespare/xxhash/v2 v2.2.0 // indirect
	github.com/dgryski/go-rendezvous v0.0.0-20200823014737-9f7001d12a5f // indirect
)
