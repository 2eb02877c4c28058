// Package shared is what all session providers have in common: the store that one request uses, the merge of what two
// requests have changed, and the provider that beego sees. What is different from server to server is a Backend.
package shared
