module example.test/presence-ircnet

go 1.26

require github.com/zarafa/presence v0.0.0

replace (
	github.com/mattn/go-xmpp => github.com/xmppo/go-xmpp v0.3.6
	github.com/zarafa/presence => ../presence
)
