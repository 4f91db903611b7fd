"""Phrases that pages are full of and knowledge is not. Lower case; each is counted wherever it stands.

Chinese ones have two characters at least, those that begin in ASCII four.
"""

from __future__ import annotations

# footers, navigation and legal notes, in their customary wordings; the English ones about cookies, terms and JavaScript
# are C4's (arXiv 1910.10683, section 2.2)
BOILERPLATE = (
    "版权所有", "icp备", "公网安备", "免责声明", "转载请注明", "上一篇", "下一篇", "返回首页", "设为首页", "加入收藏",
    "网站地图", "关于我们", "联系我们", "隐私政策", "用户协议", "服务条款", "相关阅读", "责任编辑", "点击查看更多",
    "友情链接", "忘记密码", "免费注册", "分享到", "扫一扫", "加载更多", "登录后", "查看原文", "未经授权",
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies", "javascript",
    "lorem ipsum", "all rights reserved", "terms of service", "terms and conditions", "skip to content", "skip to main",
    "sign in", "log in", "sign up", "subscribe", "newsletter", "site map", "sitemap", "powered by", "back to top",
    "share this", "read more", "load more", "contact us", "about us", "copyright ©", "follow us", "my account",
)  # fmt: skip
"""Phrases of footers, navigation and legal notes."""

ADVERTISEMENT = (
    "立即购买", "点击咨询", "在线咨询", "免费咨询", "立即咨询", "立即预约", "加微信", "微信号", "添加微信", "扫码",
    "客服热线", "订购热线", "咨询热线", "全国热线", "货到付款", "包邮", "厂家直销", "招商加盟", "诚招", "限时优惠",
    "限时抢购", "抢购", "特价", "优惠价", "买一送", "祖传秘方", "无效退款", "签约治疗", "彻底根治", "药到病除", "包治",
    "领取优惠", "正品保证", "官方旗舰店", "点击购买", "立即下单", "来院路线", "专家在线", "免费通话",
    "buy now", "order now", "shop now", "click here", "add to cart", "free shipping", "limited time", "money back",
    "money-back", "special offer", "best price", "lowest price", "discount", "coupon", "promo code", "call now",
    "act now", "no prescription", "without prescription", "without a prescription", "free trial", "in stock",
    "satisfaction guaranteed", "risk free", "risk-free trial", "free consultation", "cheap",
)  # fmt: skip
"""Phrases that sell: calls to buy, to ring and to come, and promises that the advertising law of China (article 16: no
assurance of efficacy or of a cure) forbids of medicine."""

LOST_IN_DECODING = ("锟斤拷", "烫烫烫", "屯屯屯")
"""What bytes read in the wrong encoding are known by: U+FFFD in GBK, and uninitialised memory in GBK."""
