// Package models has types whose import path has slashes in it, as those of an application have: the name that such a
// type is registered under is not the one that it prints itself by.
package models

import "time"

// User is what an application may keep in a session.
type User struct {
	ID     int
	Name   string
	Email  string
	Tags   []string
	Admin  bool
	Score  float64
	Meta   map[string]interface{}
	Joined time.Time
}

// Role is a string with a name.
type Role string

// Account is kept as *Account only: gob registers a type or the pointer to it, never both.
type Account struct {
	ID   int
	Name string
}
