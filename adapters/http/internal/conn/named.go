package conn

import (
	"errors"

	"github.com/gofiber/fiber/v2/utils"
	"github.com/valyala/fasthttp"
)

var errNamedTwice = errors.New("the proxy names two users")

// NamedUser returns the user that a trusted proxy names, as the proxy spells it: a part of the request. It is empty if the peer is no trusted
// proxy, or if none is to name users: what any other peer has in the header does not count.
func NamedUser(ctx *fasthttp.RequestCtx) (user string, err error) {
	c, ok := ctx.Conn().(*Conn)
	if !ok {
		return "", nil
	}
	limits := &c.group.tuned.Load().limits
	if limits.UserHeader == "" || !limits.Proxies.contain(AddressOf(ctx.RemoteAddr())) {
		return "", nil
	}
	switch all := ctx.Request.Header.PeekAll(limits.UserHeader); len(all) {
	case 0:
		return "", nil
	case 1:
		return utils.UnsafeString(all[0]), nil
	}
	return "", errNamedTwice // one of them may be the client's
}

// Believed returns what tells whether the peer of a request is still believed when it names a user, in the same header, after the request.
func Believed(ctx *fasthttp.RequestCtx) func() bool {
	c, ok := ctx.Conn().(*Conn)
	if !ok {
		return func() bool { return false }
	}
	header, peer := c.group.tuned.Load().limits.UserHeader, AddressOf(ctx.RemoteAddr())
	return func() bool {
		limits := &c.group.tuned.Load().limits
		return limits.UserHeader == header && limits.Proxies.contain(peer)
	}
}
