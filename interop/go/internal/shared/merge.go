package shared

import (
	"beesession/interop/go"
)

// Three states of a session meet in a merge: the base, as the request read it; its own, as the request left it; and
// theirs, as others have stored it meanwhile. A merge without the base would bring deleted keys back.

// login is Django's. The three keys are one unit: half of one login and half of another is nobody's.
var login = [...]interface{}{"_auth_user_id", "_auth_user_backend", "_auth_user_hash"}

// changes is what one request has changed in a session.
type changes struct {
	set     Values
	deleted map[interface{}]bool
	cleared bool // the request emptied the session, so what others add meanwhile goes, too
}

// diff returns what turns base into values.
func diff(base, values Values, cleared bool) changes {
	found := changes{set: Values{}, deleted: map[interface{}]bool{}, cleared: cleared}
	for key := range base {
		if _, kept := values[key]; !kept {
			found.deleted[key] = true
		}
	}
	for key, value := range values {
		if cleared || differ(key, base, values) {
			found.set[key] = value
		}
	}
	return found
}

// normalised returns what is left of the changes when the new values are what they will be once they have been stored.
func (mine changes) normalised(base Values) (changes, error) {
	if len(mine.set) == 0 {
		return mine, nil
	}
	stored, err := normalise(mine.set)
	if err != nil {
		return mine, err
	}
	kept := changes{set: Values{}, deleted: mine.deleted, cleared: mine.cleared}
	for key, value := range mine.set {
		if mine.cleared || differ(key, base, stored) {
			kept.set[key] = value
		}
	}
	return kept, nil
}

func (mine changes) none() bool {
	return len(mine.set) == 0 && len(mine.deleted) == 0 && !mine.cleared
}

func (mine changes) touch(key interface{}) bool {
	_, set := mine.set[key]
	return set || mine.deleted[key]
}

// apply returns values with these changes made; values stay as they are.
func (mine changes) apply(values Values) Values {
	made := Values{}
	if !mine.cleared {
		for key, value := range values {
			if !mine.deleted[key] {
				made[key] = value
			}
		}
	}
	for key, value := range mine.set {
		made[key] = value
	}
	return made
}

// merge returns theirs with one's own changes made to it: where both sides changed a key, the own value wins.
//
// It fails with ErrLoginChanged rather than mix two users' sessions.
func merge(base Values, mine changes, theirs Values) (Values, error) {
	before, stored, own := loginOf(base), loginOf(theirs), mine.apply(base)
	if before != nil && !same(stored, before) {
		return nil, beesession.ErrLoginChanged
	}
	changed := false
	for _, key := range login {
		changed = changed || mine.touch(key)
	}
	if changed && !same(stored, before) && !same(stored, loginOf(own)) {
		return nil, beesession.ErrLoginChanged
	}
	merged := mine.apply(theirs)
	if changed {
		for _, key := range login {
			delete(merged, key)
			if value, ok := own[key]; ok {
				merged[key] = value
			}
		}
	}
	return merged, nil
}

// loginOf returns the login that a session carries; nil for an anonymous session.
func loginOf(values Values) []interface{} {
	unit, found := make([]interface{}, len(login)), false
	for i, key := range login {
		value, ok := values[key]
		unit[i], found = value, found || ok
	}
	if !found {
		return nil
	}
	return unit
}

func differ(key interface{}, one, other Values) bool {
	a, inOne := one[key]
	b, inOther := other[key]
	return inOne != inOther || !same(a, b)
}
