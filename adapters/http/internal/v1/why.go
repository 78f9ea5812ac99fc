package v1

import (
	"strconv"
	"strings"

	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/domain"
)

// question is what a URL asks about a user beside what it is: explain=1&viewer=bob@example.test.
type question struct {
	explain bool          // why it is so
	viewer  domain.UserID // which rule decides what this one sees; empty: that was not asked
}

var errQuestion = problem.Malformed("the URL takes no query but explain=1, and with it viewer=ID")

// readQuestion reads the query of a URL, and refuses what by may not ask.
func (a *API) readQuestion(by domain.Principal, query string) (why question, err error) {
	explain, viewer, named := strings.Cut(query, "&")
	if explain != "explain=1" {
		return why, errQuestion
	}
	why.explain = true
	if !named {
		return why, nil
	}
	value, named := strings.CutPrefix(viewer, "viewer=")
	if !named || strings.Contains(value, "&") {
		return why, errQuestion
	}
	if value, err = unescape(value); err != nil {
		return why, problem.InParameter(problem.ErrMalformed, "viewer", err.Error())
	}
	if why.viewer, err = domain.ParseUserID(value); err != nil {
		return why, problem.Locate(domain.Problems{{Err: err}}, func(domain.Problem) problem.Entry { return problem.Entry{Parameter: "viewer"} })
	}
	return why, by.MayAskWhy(why.viewer)
}

// appendVisibility adds to the document of a user, which is at the end of dst, which rule decides what a viewer sees of the user. That the user is
// invisible is only said to whoever sees it.
func appendVisibility(dst []byte, viewer domain.UserID, decision domain.Decision, invisible bool) []byte {
	dst = append(dst[:len(dst)-1], `,"visibility":{"viewer":`...)
	dst = respond.AppendString(dst, string(viewer))
	dst = append(dst, `,"sees":"`...)
	dst = append(dst, decision.Sees()...)
	dst = append(dst, `","reason":`...)
	if decision.By == domain.DecidedByNothing {
		dst = append(dst, "null"...)
	} else {
		dst = respond.AppendString(dst, decision.By.String())
	}
	dst = append(dst, `,"rule":`...)
	if decision.By == domain.DecidedByRule {
		dst = strconv.AppendInt(dst, int64(decision.Rule), 10)
	} else {
		dst = append(dst, "null"...)
	}
	if invisible && decision.Masked() {
		dst = append(dst, `,"invisible":true`...)
	}
	return append(dst, "}}"...)
}
