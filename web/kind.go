// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

// kind is what a method is called. A channel that we have no word for goes by the name that the operator gave it.
func (v *voice) kind(method, channel string) string {
	switch {
	case method == "totp":
		return v.say(KindApp)
	case method == "email":
		return v.say(KindEmail)
	case channel == "sms":
		return v.say(KindSMS)
	case channel == "voice":
		return v.say(KindVoice)
	}
	return channel
}

// sendTo is what a button says that has a code sent.
func (v *voice) sendTo(method, channel, to string) string {
	return v.sayTo(method, channel, to, SendByEmail, SendBySMS, SendByVoice, SendByChannel)
}

// sentTo is what the page says that comes then.
func (v *voice) sentTo(method, channel, to string) string {
	return v.sayTo(method, channel, to, SentByEmail, SentBySMS, SentByVoice, SentByChannel)
}

func (v *voice) sayTo(method, channel, to string, email, sms, voice, other Message) string {
	switch {
	case method == "email":
		return v.say(email, to)
	case channel == "sms":
		return v.say(sms, to)
	case channel == "voice":
		return v.say(voice, to)
	}
	return v.say(other, channel, to)
}
