package main

import (
	"io"
	"net/http"
	"strconv"

	"github.com/couchbaselabs/gocaves/mock"
)

// answerQueries has a query service of ours, which gives the same reply to each query, stand for the one of CAVES, which
// knows no queries.
func (r *relays) answerQueries(service mock.QueryService, reply string) error {
	listener, err := listen(0)
	if err != nil {
		return err
	}
	r.ports[strconv.Itoa(service.ListenPort())] = strconv.Itoa(portOf(listener))
	go http.Serve(listener, http.HandlerFunc(func(writer http.ResponseWriter, _ *http.Request) {
		io.WriteString(writer, reply)
	}))
	return nil
}
