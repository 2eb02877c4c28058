package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/couchbaselabs/gocaves/mock"
	"github.com/couchbaselabs/gocaves/mock/mockdb"
)

// controls is the port for tests: each path does one thing, and answers in JSON.
func controls(cluster mock.Cluster, rules *rules, relays *relays) http.Handler {
	faults := rules.faults
	mux := http.NewServeMux()
	on := func(path string, act func(url.Values) any) {
		mux.HandleFunc(path, func(writer http.ResponseWriter, request *http.Request) {
			json.NewEncoder(writer).Encode(act(request.URL.Query()))
		})
	}
	on("/flush", func(url.Values) any {
		for _, bucket := range cluster.GetAllBuckets() {
			bucket.Flush()
		}
		return nil
	})
	on("/commands", func(url.Values) any { return rules.commands() })
	on("/connections", func(url.Values) any { return relays.connections() })
	on("/cut", func(url.Values) any { return relays.cut() })
	on("/document", func(query url.Values) any { return document(cluster, query) })
	on("/travel", func(query url.Values) any {
		cluster.Chrono().TimeTravel(seconds(query))
		return nil
	})
	on("/refuse", func(url.Values) any {
		faults.refusing.Store(true)
		return relays.cut()
	})
	on("/silence", func(url.Values) any {
		faults.silent.Store(true)
		return nil
	})
	on("/delay", func(query url.Values) any {
		faults.delay.Store(int64(seconds(query)))
		return nil
	})
	on("/fail", func(query url.Values) any {
		faults.status.Store(number(query, "status"))
		faults.times.Store(number(query, "times"))
		return nil
	})
	on("/lose", func(query url.Values) any {
		faults.lossAfter.Store(number(query, "after") + 1)
		return nil
	})
	on("/heal", func(url.Values) any {
		faults.refusing.Store(false)
		faults.delay.Store(0)
		faults.times.Store(0)
		faults.lossAfter.Store(0)
		if faults.silent.Swap(false) {
			relays.cut() // what was sent on them meanwhile is lost
		}
		return nil
	})
	return mux
}

// document returns what is stored under a key, or nil.
func document(cluster mock.Cluster, query url.Values) any {
	bucket := cluster.GetBucket(query.Get("bucket"))
	_, collection, err := bucket.CollectionManifest().GetByName(query.Get("scope"), query.Get("collection"))
	if err != nil {
		return nil
	}
	for number := uint(0); number < vbuckets; number++ {
		vbucket := bucket.Store().GetVbucket(number)
		found, err := vbucket.Get(0, uint(collection), []byte(query.Get("key")))
		if err == nil && found != nil && !found.IsDeleted {
			return map[string]any{
				"value": found.Value, "flags": found.Flags, "datatype": found.Datatype, "left": secondsLeft(cluster, found),
			}
		}
	}
	return nil
}

// secondsLeft returns nil for a document that does not expire.
func secondsLeft(cluster mock.Cluster, document *mockdb.Document) any {
	if document.Expiry.IsZero() {
		return nil
	}
	return document.Expiry.Sub(cluster.Chrono().Now()).Seconds()
}

func seconds(query url.Values) time.Duration {
	value, _ := strconv.ParseFloat(query.Get("seconds"), 64)
	return time.Duration(value * float64(time.Second))
}

func number(query url.Values, name string) int64 {
	value, _ := strconv.ParseInt(query.Get(name), 0, 64)
	return value
}
