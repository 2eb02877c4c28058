// A beego application that shares its sessions with the Django site beside it: ./dev demo --with-beego starts both.
//
// It runs in its own folder, where beego finds conf/app.conf. django.go is what it has to know of Django's logins,
// pages.go is a usual beego controller.
package main

import (
	"encoding/gob"
	"fmt"
	"net/http"
	"os"

	"github.com/beego/beego/v2/core/logs"
	"github.com/beego/beego/v2/server/web"

	_ "beesession/interop/go/redis" // in the place of beego's own: loses no update, and undoes no logout
)

func main() {
	// Before the first session is read. In Python: @gob.register("main.Visit").
	gob.Register(Visit{})

	var err error
	if django, err = openDjango(dataFolder()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	logs.SetLevel(logs.LevelWarning)
	web.BConfig.WebConfig.AutoRender = false // the template is part of the program
	web.SetStaticPath("/static", "../static")
	web.Router("/", &Pages{}, "get:Home")
	web.Router("/count", &Pages{}, "post:Count")
	web.Router("/cart", &Pages{}, "post:AddToCart")
	web.Router("/login", &Pages{}, "post:LogIn")
	web.Router("/logout", &Pages{}, "post:LogOut")
	web.Router("/regenerate", &Pages{}, "post:Regenerate")
	// beego's own tokens against requests from other sites need HTTPS.
	web.RunWithMiddleWares("", http.NewCrossOriginProtection().Handler)
}

// dataFolder returns the folder in which the Django site keeps its database and its secret key.
func dataFolder() string {
	if folder := os.Getenv("BEESESSION_DEMO_VAR"); folder != "" {
		return folder
	}
	return "../var"
}
